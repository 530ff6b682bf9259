"""Specs that several tests start from."""

FULL = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders}
spec:
  datastore: {name: mariadb, version: "10.5"}
  flavor: small
  volume: {size: 2, type: standard}
  configuration: tuned
  databases: [{name: store}, {name: old}]
  users:
    - name: app
      grants: [{database: store}]
    - name: gone
    - name: former
  root: {enabled: true}
  access: {allowedCidrs: ["10.0.0.0/8", "192.0.2.0/24"]}
  pointInTimeRecovery: true
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec:
  datastore: {name: redis}
  flavor: tiny
  volume: {size: 1}
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: passing}
spec:
  datastore: {name: postgresql}
  access: {allowedCidrs: [], floatingNetwork: public}
  flavor: tiny
  volume: {size: 1}
  lifecycle: {onDelete: finalBackup}
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: kept}
spec:
  datastore: {name: postgresql}
  flavor: tiny
  volume: {size: 1}
---
apiVersion: gitrove/v1
kind: Backup
metadata: {name: first}
spec: {instance: orders}
---
apiVersion: gitrove/v1
kind: ConfigurationGroup
metadata: {name: tuned}
spec:
  datastore: {name: mariadb}
  values: {max_connections: 80, back_log: 90}
"""

CHANGED = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: orders}
spec:
  datastore: {name: mariadb, version: "10.11"}
  flavor: medium
  volume: {size: 3, type: standard}
  configuration: tuned
  databases: [{name: store}, {name: fresh}]
  users:
    - name: app
      password: {rotation: 2}
      grants: [{database: store, privileges: [SELECT]}]
    - name: renamed
      formerName: former
  access: {allowedCidrs: ["10.0.0.0/8"], floatingNetwork: public}
  guestKey: {rotation: 2}
  lifecycle: {preventDestroy: true}
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec:
  datastore: {name: redis}
  flavor: tiny
  volume: {size: 1}
---
apiVersion: gitrove/v1
kind: Instance
metadata: {name: kept}
spec:
  datastore: {name: postgresql}
  flavor: tiny
  volume: {size: 1}
  pointInTimeRecovery: true
---
apiVersion: gitrove/v1
kind: Backup
metadata: {name: second}
spec: {instance: orders}
---
apiVersion: gitrove/v1
kind: ConfigurationGroup
metadata: {name: tuned}
spec:
  datastore: {name: mariadb}
  values: {max_connections: 100, thread_stack: 327680}
"""

ONE_CACHE = """
apiVersion: gitrove/v1
kind: Instance
metadata: {name: cache}
spec:
  datastore: {name: redis}
  flavor: tiny
  volume: {size: 1}
"""
