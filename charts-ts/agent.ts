// TunnelAgent: everything that one tunnel becomes in its namespace. Pure: the same props give the same objects, key for key.

import { App, Chart } from 'cdk8s';
import { Construct } from 'constructs';
import type { KubeManifest, TunnelAgentProps } from './agent-props.ts';

/** The objects that run one tunnel's agent, each owned by the RstreamTunnel. */
export class TunnelAgent extends Construct {
  constructor(scope: Construct, id: string, props: TunnelAgentProps) {
    super(scope, id);
    void props;
  }
}

/** Synthesizes one tunnel's agent in memory: a fresh App per call, no state kept. */
export function renderTunnelAgent(props: TunnelAgentProps): readonly KubeManifest[] {
  const chart = new Chart(new App(), 'tunnel');
  new TunnelAgent(chart, 'agent', props);
  return chart.toJson();
}
