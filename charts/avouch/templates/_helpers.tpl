{{- define "avouch.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* What replaces a sidecar's image that cannot be pulled. */}}
{{- define "avouch.rescueImage" -}}
{{ .Values.sidecar.rescueImage | default (include "avouch.image" .) }}
{{- end }}

{{- define "avouch.labels" -}}
app.kubernetes.io/name: avouch
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "avouch.selector" -}}
app.kubernetes.io/name: avouch
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "avouch.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "avouch.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The database as a process sees it: `process` is server, worker or controller, or owner, who migrates. */}}
{{- define "avouch.databaseEnv" -}}
- name: AVOUCH_DATABASE_URL
  valueFrom:
    secretKeyRef:
      {{- if .root.Values.postgres.embedded }}
      name: avouch-postgres
      key: {{ ternary "url" (printf "url-%s" .process) (eq .process "owner") }}
      {{- else }}
      name: {{ .root.Values.database.urlSecret.name }}
      key: {{ get .root.Values.database.roleKeys .process | default .root.Values.database.urlSecret.key }}
      {{- end }}
{{- end }}

{{- /* What verifies the certificate of the embedded PostgreSQL. */}}
{{- define "avouch.databaseMount" -}}
{{- if .Values.postgres.embedded }}
- {name: postgres, mountPath: /etc/avouch/postgres, readOnly: true}
{{- end }}
{{- end }}

{{- define "avouch.databaseVolume" -}}
{{- if .Values.postgres.embedded }}
- name: postgres
  secret:
    secretName: avouch-postgres
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{- define "avouch.commonEnv" -}}
- {name: AVOUCH_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: AVOUCH_SIDECAR_IMAGE, value: {{ .Values.sidecar.image | quote }}}
- {name: AVOUCH_PUBLIC_URL, value: {{ .Values.public.url | quote }}}
- {name: AVOUCH_PUBLIC_CA, value: {{ .Values.public.ca | quote }}}
{{- end }}

{{- /* What OpenSSL trusts beside the authorities in the image's own folder, which stays. */}}
{{- define "avouch.authoritiesEnv" -}}
{{- if .Values.trustedAuthorities.configMap }}
- {name: SSL_CERT_FILE, value: /etc/avouch/authorities/ca.crt}
{{- end }}
{{- end }}

{{- define "avouch.authoritiesMount" -}}
{{- if .Values.trustedAuthorities.configMap }}
- {name: authorities, mountPath: /etc/avouch/authorities, readOnly: true}
{{- end }}
{{- end }}

{{- define "avouch.authoritiesVolume" -}}
{{- with .Values.trustedAuthorities }}
{{- if .configMap }}
- name: authorities
  configMap:
    name: {{ .configMap | quote }}
    items: [{key: {{ .key | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end }}

{{- /* Host of public.url, for Ingress and Gateway. */}}
{{- define "avouch.publicHost" -}}
{{- required "public.url is required for ingress and gateway: the URL under which CI outside the cluster reaches the server, such as https://avouch.example.com" .Values.public.url | urlParse | dig "host" "" | splitList ":" | first -}}
{{- end }}

{{- /* "true" where the embedded PostgreSQL has a volume. What a StatefulSet claims cannot be changed, so `auto` leaves one that is there as it is. */}}
{{- define "avouch.postgresPersistent" -}}
{{- $asked := toString .Values.postgres.persistence }}
{{- if ne $asked "auto" }}
{{- if eq $asked "true" }}true{{ end }}
{{- else }}
{{- $there := lookup "apps/v1" "StatefulSet" .Release.Namespace "avouch-postgres" }}
{{- if $there }}
{{- if dig "spec" "volumeClaimTemplates" list $there }}true{{ end }}
{{- else if .Values.postgres.storageClass }}true
{{- else }}
{{- $default := false }}
{{- range (lookup "storage.k8s.io/v1" "StorageClass" "" "").items }}
{{- /* One without a provisioner waits for volumes that somebody makes by hand. */}}
{{- if and (eq "true" (dig "metadata" "annotations" "storageclass.kubernetes.io/is-default-class" "" .)) (ne .provisioner "kubernetes.io/no-provisioner") }}
{{- $default = true }}
{{- end }}
{{- end }}
{{- if $default }}true{{ end }}
{{- end }}
{{- end }}
{{- end }}
