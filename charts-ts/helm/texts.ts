// What people read: the chart's README and the notes after an installation.

export const CHART_README = `# rstream-operator

Exposes Kubernetes Services through rstream tunnels.

\`\`\`sh
helm upgrade --install rstream-operator ./dist/charts/rstream-operator \\
  --namespace rstream-system --create-namespace
\`\`\`

The same command upgrades. CRDs are upgraded with the release and stay when it is uninstalled; CRDs that were installed
without Helm, or by the chart of rstream's Go operator, are taken over by a short Job before the upgrade. CRDs that another
release owns are left to it.

## Values

VALUES_TABLE`;

export const NOTES = `rstream-operator {{ .Chart.AppVersion }} runs in namespace {{ .Release.Namespace }}
{{- if .Values.watchNamespaces }} for namespaces {{ join ", " .Values.watchNamespaces }}{{ end }}.

Check it:

  kubectl -n {{ .Release.Namespace }} rollout status deployment/{{ include "rstream-operator.fullname" . }}

Make a first tunnel in any namespace{{ if .Values.watchNamespaces }} of these{{ end }}: a Secret with your token, an RstreamConnection
that names it, and an RstreamTunnel that names a Service. Then:

  kubectl get rstreamconnections,rstreamtunnels -A
{{- if not .Values.installCRDs }}

CRDs are not part of this release (installCRDs=false); keep them as new as the operator.
{{- end }}
`;
