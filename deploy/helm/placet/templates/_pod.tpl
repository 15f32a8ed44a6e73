{{/* What every pod of ours is: not root, without a way to become it. */}}
{{- define "placet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "placet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a pod may run, and with what it pulls. */}}
{{- define "placet.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* One variable of a process: called with `root`, `name` and `process` (its name). Nothing, where it is not set. */}}
{{- define "placet.variable" -}}
{{- $values := .root.Values -}}
{{- $secret := dict -}}
{{- $text := "" -}}
{{- if hasPrefix "PLACET_MONGODB_" .name -}}
{{- $secret = dict "name" (include "placet.secret" (dict "root" .root "of" (printf "%s-mongodb" .process))) "key" "uri" -}}
{{- else if eq .name "KAFKA_BOOTSTRAP_SERVERS" -}}
{{- $text = $values.kafka.bootstrapServers -}}
{{- else if eq .name "PLACET_KAFKA_CAFILE" -}}
{{- if $values.kafka.caSecret.name -}}{{- $text = "/etc/placet/kafka/ca.crt" -}}{{- end -}}
{{- else if and (hasPrefix "PLACET_KAFKA_" .name) (hasSuffix "_USER" .name) -}}
{{- $text = .process -}}
{{- else if and (hasPrefix "PLACET_KAFKA_" .name) (hasSuffix "_PASSWORD" .name) -}}
{{- $secret = dict "name" (include "placet.kafkaSecret" (dict "root" .root "user" .process)) "key" "password" -}}
{{- else if eq .name "PLACET_KEYS_FOLDER" -}}
{{- $text = "/etc/placet/keys" -}}
{{- else if eq .name "PLACET_PUBLIC_URL" -}}
{{- $text = $values.publicUrl -}}
{{- else if eq .name "PLACET_LOG_LEVEL" -}}
{{- $text = $values.logLevel -}}
{{- else if eq .name "OTEL_EXPORTER_OTLP_ENDPOINT" -}}
{{- $text = $values.otlp.endpoint -}}
{{- else if eq .name "OTEL_TRACES_SAMPLER_ARG" -}}
{{- if $values.otlp.endpoint -}}{{- $text = toString $values.otlp.share -}}{{- end -}}
{{- else if eq .name "PLACET_KMS_PROVIDERS" -}}
{{- if $values.kms.enabled -}}{{- $secret = dict "name" (include "placet.secret" (dict "root" .root "of" "kms")) "key" "providers" -}}{{- end -}}
{{- else if eq .name "PLACET_KMS_MASTER_KEY" -}}
{{- if $values.kms.enabled -}}{{- $text = toJson $values.kms.masterKey -}}{{- end -}}
{{- else if eq .name "PLACET_OPERATOR_TOKEN_SHA256" -}}
{{- $text = $values.firstOperator.tokenSha256 -}}
{{- else if eq .name "PLACET_WEBHOOK_PORTS" -}}
{{- $text = toJson $values.webhooks.ports -}}
{{- else if eq .name "PLACET_MAIL_FROM" -}}
{{- $text = $values.mail.from -}}
{{- else if eq .name "PLACET_MAIL_TEST_ONLY" -}}
{{- $text = toString $values.mail.testOnly -}}
{{- else if eq .name "PLACET_MAIL_TEST_DOMAINS" -}}
{{- if $values.mail.testDomains -}}{{- $text = toJson $values.mail.testDomains -}}{{- end -}}
{{- else if eq .name "PLACET_MAIL_RETRY_SECONDS" -}}
{{- $text = toString $values.mail.retrySeconds -}}
{{- else if eq .name "VAULT_URL" -}}
{{- $secret = dict "name" (include "placet.secret" (dict "root" .root "of" "vault")) "key" "url" -}}
{{- else if eq .name "SMTP_URL" -}}
{{- $secret = dict "name" (include "placet.secret" (dict "root" .root "of" "smtp")) "key" "url" -}}
{{- else -}}
{{- fail (printf "the chart does not know what to say for %s: add it to templates/_pod.tpl" .name) -}}
{{- end -}}
{{- if $secret }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret.name }}
      key: {{ $secret.key }}
{{- else if $text }}
- name: {{ .name }}
  value: {{ $text | quote }}
{{- end }}
{{- end }}

{{/* The variables of an object store's own client: called with its `environment` and `credentials`. */}}
{{- define "placet.storeVariables" -}}
{{- range $name, $value := .environment }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- $secret := .credentials.secret }}
{{- range .credentials.names }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ . }}
{{- end }}
{{- end }}

{{/* Where one process's copies stand: called with `root` and `of`. */}}
{{- define "placet.spread" -}}
{{- range $key, $when := dict "topology.kubernetes.io/zone" .root.Values.spread.zones "kubernetes.io/hostname" .root.Values.spread.hosts }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $when }}
  # Old copies of a rolling upgrade don't count.
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "placet.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
