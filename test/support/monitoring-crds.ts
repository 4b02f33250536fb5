// The Prometheus Operator's ServiceMonitor and PodMonitor as far as tests need them: the real names, any fields.

export function monitoringCrds(): readonly object[] {
  return ['ServiceMonitor', 'PodMonitor'].map((kind) => {
    const plural = `${kind.toLowerCase()}s`;
    const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

    return {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.monitoring.coreos.com` },
      spec: {
        group: 'monitoring.coreos.com',
        names: { kind, plural },
        scope: 'Namespaced',
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
      },
    };
  });
}
