// The chart's named templates: names and images as every Helm user expects them, and who owns a CRD.

export const FULLNAME = 'include "rstream-operator.fullname" $';
export const CHART_NAME = 'include "rstream-operator.name" $';
export const SERVICE_ACCOUNT = 'include "rstream-operator.serviceAccountName" $';
export const IMAGE = 'include "rstream-operator.image" $';
export const AGENT_IMAGE = 'include "rstream-operator.agentImage" $';

/** The full name with a suffix, for kinds whose names may have no more than 63 characters. */
export function suffixed(suffix: string): string {
  return `printf "%s-${suffix}" (${FULLNAME} | trunc ${62 - suffix.length} | trimSuffix "-")`;
}

/** Whether this release may write the CRD of this name as its own. */
export function ownsCrd(name: string): string {
  return `eq "true" (include "rstream-operator.ownsCrd" (dict "crd" ${JSON.stringify(name)} "root" $))`;
}

/** Whether the CRD of this name is there without any Helm release owning it. */
export function foundCrd(name: string): string {
  return `eq "true" (include "rstream-operator.foundCrd" (dict "crd" ${JSON.stringify(name)}))`;
}

export const HELPERS = `{{- /* Names and images, and who owns a CRD. */}}

{{- define "rstream-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "rstream-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "rstream-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "rstream-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "rstream-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* The manager's image, with whatever is set for the agents in its place. */}}
{{- define "rstream-operator.agentImage" -}}
{{- $repository := default .Values.image.repository .Values.agent.image.repository }}
{{- $own := or .Values.agent.image.repository .Values.agent.image.tag }}
{{- $digest := .Values.agent.image.digest }}
{{- if not (or $own $digest) }}{{ $digest = .Values.image.digest }}{{ end }}
{{- if $digest }}
{{- printf "%s@%s" $repository $digest }}
{{- else }}
{{- printf "%s:%s" $repository (coalesce .Values.agent.image.tag .Values.image.tag .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- /*
Helm refuses to touch an object that it did not make. A CRD that another release owns is left to it; one that nobody owns
is taken over by a hook first, and belongs to this release from then on.
*/}}
{{- define "rstream-operator.ownsCrd" -}}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" .crd }}
{{- $owner := dig "metadata" "annotations" dict (default dict $crd) }}
{{- $mine := and (eq .root.Release.Name (get $owner "meta.helm.sh/release-name" | toString)) (eq .root.Release.Namespace (get $owner "meta.helm.sh/release-namespace" | toString)) }}
{{- or (not $crd) $mine }}
{{- end }}

{{- define "rstream-operator.foundCrd" -}}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" .crd }}
{{- $owner := dig "metadata" "annotations" dict (default dict $crd) }}
{{- and (not (empty $crd)) (empty (get $owner "meta.helm.sh/release-name")) }}
{{- end }}
`;
