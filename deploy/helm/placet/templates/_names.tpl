{{/* The release's name, with "placet" in it once. */}}
{{- define "placet.name" -}}
{{- if contains "placet" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-placet" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* What the code says: processes, variables, key files, topics, users. Made by `python -m deploy.helm.generate`. */}}
{{- define "placet.house" -}}
{{- .Files.Get "files/house.yaml" -}}
{{- end }}

{{/* The name of a Secret (or of the public keys' ConfigMap): called with `root` and `of`. */}}
{{- define "placet.secret" -}}
{{- printf "%s-%s" (.root.Values.secrets.prefix | default (include "placet.name" .root)) .of -}}
{{- end }}

{{/* The Secret of a Kafka user, which is Strimzi's own where Strimzi makes it: called with `root` and `user`. */}}
{{- define "placet.kafkaSecret" -}}
{{- if .root.Values.kafka.strimzi.enabled -}}
{{- .user -}}
{{- else -}}
{{- include "placet.secret" (dict "root" .root "of" (printf "%s-kafka" .user)) -}}
{{- end -}}
{{- end }}

{{/* Labels by which a process's pods are chosen; they never change: called with `root` and `of`. */}}
{{- define "placet.selector" -}}
app.kubernetes.io/name: placet
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .of }}
{{- end }}

{{/* All labels: called with `root` and `of`. */}}
{{- define "placet.labels" -}}
{{ include "placet.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: placet
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The image, by its digest. */}}
{{- define "placet.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else if and $image.allowTag $image.tag -}}
{{- printf "%s:%s" $image.repository $image.tag -}}
{{- else -}}
{{- fail "image.digest is missing: give the image's sha256:… (or, where nothing real is released, image.tag with image.allowTag: true)" -}}
{{- end -}}
{{- end }}

{{/* publicUrl's host. */}}
{{- define "placet.host" -}}
{{- (urlParse .Values.publicUrl).hostname -}}
{{- end }}

{{/* The Secret with the web's certificate. */}}
{{- define "placet.tlsSecret" -}}
{{- .Values.ingress.tlsSecret | default (printf "%s-tls" (include "placet.name" .)) -}}
{{- end }}
