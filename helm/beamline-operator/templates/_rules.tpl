{{- /*
What the operator may do in a namespace that it looks after. It can only give pods what it holds itself, so what the roles
of the registry, direct control, the queue server and the workers grant (operator/src/beamline/build/access.rs) is here too.
*/ -}}
{{- define "beamline-operator.rules" -}}
# What it reads, and what it reports.
- apiGroups: [beamline.dev]
  resources: [beamlines, devices, processvariables, deviceclasses, queues, planworkers, devicelocks]
  verbs: [get, list, watch]
- apiGroups: [beamline.dev]
  resources: [beamlines/status, devices/status, processvariables/status, planworkers/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# What it makes for a Beamline and for a PlanWorker.
- apiGroups: [""]
  resources: [services, serviceaccounts, configmaps, pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
# The shipped device classes.
- apiGroups: [beamline.dev]
  resources: [deviceclasses]
  verbs: [create, patch]
# To own what it makes, where the API server checks who may hold up a deletion.
- apiGroups: [beamline.dev]
  resources: [beamlines/finalizers, planworkers/finalizers]
  verbs: [update]
# What the roles of the pods grant, beyond the above.
- apiGroups: [beamline.dev]
  resources: [devices, processvariables, queues, queueitems, planworkers]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [beamline.dev]
  resources: [devices/status, processvariables/status, queues/status, queueitems/status, planworkers/status]
  verbs: [get, update, patch]
- apiGroups: [beamline.dev]
  resources: [devicelocks]
  verbs: [create, update]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, update, delete]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update]
{{- end -}}
