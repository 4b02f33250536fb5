// What the manager's Pod may talk to: probes and scrapes come in; name lookups, the API server and control planes go out.

import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { MANAGER_PORTS } from './manager.ts';

export interface NetworkPolicySettings {
  /** Address ranges of the API server and of control planes. @default everywhere */
  readonly egressCidrs?: readonly string[];
  /** Their TCP ports. @default 443 and 6443 */
  readonly egressPorts?: readonly number[];
}

export interface NetworkPolicyProps extends NetworkPolicySettings {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Labels of the managers' Pods. */
  readonly selector: Readonly<Record<string, string>>;
}

export const EGRESS_CIDRS = ['0.0.0.0/0', '::/0'] as const;
export const EGRESS_PORTS = [443, 6443] as const;

export class ManagerNetworkPolicy extends Construct {
  constructor(scope: Construct, id: string, props: NetworkPolicyProps) {
    super(scope, id);
    const { name, namespace, labels, selector } = props;
    const cidrs = props.egressCidrs ?? EGRESS_CIDRS;

    new k8s.KubeNetworkPolicy(this, 'policy', {
      metadata: { name, namespace, labels },
      spec: {
        podSelector: { matchLabels: selector },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ ports: [port('TCP', MANAGER_PORTS.metrics), port('TCP', MANAGER_PORTS.health)] }],
        egress: [
          { ports: [port('UDP', 53), port('TCP', 53)] },
          {
            to: cidrs.map((cidr) => ({ ipBlock: { cidr } })),
            ports: (props.egressPorts ?? EGRESS_PORTS).map((number) => port('TCP', number)),
          },
        ],
      },
    });
  }
}

function port(protocol: 'TCP' | 'UDP', number: number): k8s.NetworkPolicyPort {
  return { protocol, port: k8s.IntOrString.fromNumber(number) };
}
