{{- define "tocsin.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "tocsin.labels" -}}
app.kubernetes.io/name: tocsin
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "tocsin.selector" -}}
app.kubernetes.io/name: tocsin
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* One Deployment: `tocsin serve` or `tocsin work`, which differ in their command and number only. */}}
{{- define "tocsin.deployment" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "tocsin.name" $root }}-{{ .component }}
  labels:
    {{- include "tocsin.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  replicas: {{ .replicas }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "tocsin.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "tocsin.selector" . | nindent 8 }}
      {{- with $values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "tocsin.name" $root }}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        fsGroup: 10001
        seccompProfile: {type: RuntimeDefault}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: tocsin
          image: "{{ $values.image.repository }}:{{ $values.image.tag | default $root.Chart.AppVersion }}"
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args: [{{ .component | quote }}]
          env:
            - {name: TOCSIN_LISTEN, value: "0.0.0.0:8080"}
            - {name: TOCSIN_DATABASE_FILE, value: /run/tocsin/database-url}
            - {name: TOCSIN_MASTER_KEY_FILE, value: /run/tocsin/master-key}
            {{- if $values.bootstrapKey.secret }}
            - {name: TOCSIN_BOOTSTRAP_KEY_FILE, value: /run/tocsin/bootstrap-key}
            {{- end }}
            {{- if $values.nats.secret }}
            - {name: TOCSIN_NATS_FILE, value: /run/tocsin/nats-urls}
            {{- end }}
            {{- range $name, $value := $values.settings }}
            - {name: {{ $name }}, value: {{ $value | quote }}}
            {{- end }}
          ports:
            - {name: http, containerPort: 8080}
          startupProbe:
            httpGet: {path: /livez, port: http}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /livez, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 5
            timeoutSeconds: 5
          lifecycle:
            # The proxy before it hears of the end a moment later than the pod does.
            preStop: {exec: {command: ["sleep", "3"]}}
          resources:
            {{- toYaml .resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: secrets, mountPath: /run/tocsin, readOnly: true}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - name: tmp
          emptyDir: {}
        - name: secrets
          projected:
            defaultMode: 0440
            sources:
              - secret:
                  name: {{ required "database.secret: the Secret with the postgresql:// URL" $values.database.secret }}
                  items: [{key: {{ $values.database.key }}, path: database-url}]
              - secret:
                  name: {{ required "masterKey.secret: the Secret with the master key" $values.masterKey.secret }}
                  items: [{key: {{ $values.masterKey.key }}, path: master-key}]
              {{- if $values.bootstrapKey.secret }}
              - secret:
                  name: {{ $values.bootstrapKey.secret }}
                  items: [{key: {{ $values.bootstrapKey.key }}, path: bootstrap-key}]
              {{- end }}
              {{- if $values.nats.secret }}
              - secret:
                  name: {{ $values.nats.secret }}
                  items: [{key: {{ $values.nats.key }}, path: nats-urls}]
              {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "tocsin.selector" . | nindent 14 }}
{{- end -}}
