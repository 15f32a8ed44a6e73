// Made by `python -m deploy.helm.generate` from contracts/topics.py, deploy/local/principals.py and the services' settings.
// As an administrator: mongosh "$MONGODB_ADMIN_URI" deploy/mongodb/roles.js
// Again and again without harm: a role that is there gets exactly these rights. Users are made apart, one for each role,
// with the role's name, in `admin`: db.createUser({user: "consent-api", pwd: passwordPrompt(), roles: ["consent-api"]})
const wanted = [
 {
  "name": "identity-api",
  "privileges": [
   {
    "resource": {
     "db": "identity",
     "collection": "birthdays"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "clients"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "credentials"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "imports"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "organizations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "people"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "tokens"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   }
  ]
 },
 {
  "name": "identity-worker",
  "privileges": [
   {
    "resource": {
     "db": "identity",
     "collection": "aside"
    },
    "actions": [
     "find",
     "insert",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "birthdays"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "clients"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "credentials"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "imports"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "organizations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "people"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "tokens"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   }
  ]
 },
 {
  "name": "identity-relay",
  "privileges": [
   {
    "resource": {
     "db": "identity",
     "collection": "outbox"
    },
    "actions": [
     "changeStream",
     "find",
     "update"
    ]
   }
  ]
 },
 {
  "name": "consent-api",
  "privileges": [
   {
    "resource": {
     "db": "consent",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "organizations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "requests"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "students"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "transcripts"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find"
    ]
   }
  ]
 },
 {
  "name": "consent-worker",
  "privileges": [
   {
    "resource": {
     "db": "consent",
     "collection": "aside"
    },
    "actions": [
     "find",
     "insert",
     "update"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "organizations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "requests"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "students"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "transcripts"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find"
    ]
   }
  ]
 },
 {
  "name": "consent-relay",
  "privileges": [
   {
    "resource": {
     "db": "consent",
     "collection": "outbox"
    },
    "actions": [
     "changeStream",
     "find",
     "update"
    ]
   }
  ]
 },
 {
  "name": "records-api",
  "privileges": [
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "evidence"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "packages"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "people"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "releases"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "schools"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "transcripts"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "versions"
    },
    "actions": [
     "find",
     "insert"
    ]
   }
  ]
 },
 {
  "name": "records-worker",
  "privileges": [
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "aside"
    },
    "actions": [
     "find",
     "insert",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "evidence"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "packages"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "people"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "releases"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "schools"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "transcripts"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "versions"
    },
    "actions": [
     "find",
     "insert"
    ]
   }
  ]
 },
 {
  "name": "records-relay",
  "privileges": [
   {
    "resource": {
     "db": "records",
     "collection": "outbox"
    },
    "actions": [
     "changeStream",
     "find",
     "update"
    ]
   }
  ]
 },
 {
  "name": "delivery-api",
  "privileges": [
   {
    "resource": {
     "db": "delivery",
     "collection": "chains"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "deliveries"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "endpoints"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "ledger"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "notices"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "organizations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "readers"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "revocations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "students"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "watermarks"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find"
    ]
   }
  ]
 },
 {
  "name": "delivery-worker",
  "privileges": [
   {
    "resource": {
     "db": "delivery",
     "collection": "aside"
    },
    "actions": [
     "find",
     "insert",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "chains"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "deliveries"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "endpoints"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "ledger"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "notices"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "organizations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "readers"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "revocations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "students"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "watermarks"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find"
    ]
   }
  ]
 },
 {
  "name": "delivery-relay",
  "privileges": [
   {
    "resource": {
     "db": "delivery",
     "collection": "outbox"
    },
    "actions": [
     "changeStream",
     "find",
     "update"
    ]
   }
  ]
 },
 {
  "name": "notify-api",
  "privileges": [
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "announcements"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "holds"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "messages"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "organizations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "people"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "preferences"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "requests"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   }
  ]
 },
 {
  "name": "notify-worker",
  "privileges": [
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "announcements"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "aside"
    },
    "actions": [
     "find",
     "insert",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "holds"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "inbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "messages"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "organizations"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "insert"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "people"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "preferences"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "requests"
    },
    "actions": [
     "find",
     "insert",
     "remove",
     "update"
    ]
   }
  ]
 },
 {
  "name": "notify-relay",
  "privileges": [
   {
    "resource": {
     "db": "notify",
     "collection": "outbox"
    },
    "actions": [
     "changeStream",
     "find",
     "update"
    ]
   }
  ]
 },
 {
  "name": "operator",
  "privileges": [
   {
    "resource": {
     "db": "consent",
     "collection": "aside"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "inbox"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "consent",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "aside"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "inbox"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "aside"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "inbox"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "keys",
     "collection": "vault"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "aside"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "inbox"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "aside"
    },
    "actions": [
     "find",
     "update"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "inbox"
    },
    "actions": [
     "find"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": "outbox"
    },
    "actions": [
     "find",
     "update"
    ]
   }
  ]
 },
 {
  "name": "bootstrap",
  "privileges": [
   {
    "resource": {
     "db": "consent",
     "collection": ""
    },
    "actions": [
     "collMod",
     "createCollection",
     "createIndex",
     "dropIndex",
     "listCollections",
     "listIndexes"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": ""
    },
    "actions": [
     "collMod",
     "createCollection",
     "createIndex",
     "dropIndex",
     "listCollections",
     "listIndexes"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": ""
    },
    "actions": [
     "collMod",
     "createCollection",
     "createIndex",
     "dropIndex",
     "listCollections",
     "listIndexes"
    ]
   },
   {
    "resource": {
     "db": "keys",
     "collection": ""
    },
    "actions": [
     "collMod",
     "createCollection",
     "createIndex",
     "dropIndex",
     "listCollections",
     "listIndexes"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": ""
    },
    "actions": [
     "collMod",
     "createCollection",
     "createIndex",
     "dropIndex",
     "listCollections",
     "listIndexes"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": ""
    },
    "actions": [
     "collMod",
     "createCollection",
     "createIndex",
     "dropIndex",
     "listCollections",
     "listIndexes"
    ]
   }
  ]
 },
 {
  "name": "backup-data",
  "privileges": [
   {
    "resource": {
     "db": "consent",
     "collection": ""
    },
    "actions": [
     "find",
     "listCollections"
    ]
   },
   {
    "resource": {
     "db": "delivery",
     "collection": ""
    },
    "actions": [
     "find",
     "listCollections"
    ]
   },
   {
    "resource": {
     "db": "identity",
     "collection": ""
    },
    "actions": [
     "find",
     "listCollections"
    ]
   },
   {
    "resource": {
     "db": "notify",
     "collection": ""
    },
    "actions": [
     "find",
     "listCollections"
    ]
   },
   {
    "resource": {
     "db": "records",
     "collection": ""
    },
    "actions": [
     "find",
     "listCollections"
    ]
   }
  ]
 },
 {
  "name": "backup-keys",
  "privileges": [
   {
    "resource": {
     "db": "keys",
     "collection": ""
    },
    "actions": [
     "find",
     "listCollections"
    ]
   }
  ]
 }
];
const admin = db.getSiblingDB("admin");
for (const role of wanted) {
  const change = {privileges: role.privileges, roles: []};
  if (admin.getRole(role.name)) admin.updateRole(role.name, change);
  else admin.createRole({role: role.name, ...change});
}
print(`${wanted.length} roles are as the code says`);
