// Plays the kubelet for the one hook of the chart: runs the Job's own command as the Job's own ServiceAccount, and reports it
// complete.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import type { KubeApiserver } from './kube-apiserver.ts';
import { writeKubeconfig } from './kubeconfig-file.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Waits for the Job in the namespace and runs it; resolves with its command line. */
export async function runHookJob(kube: KubeApiserver, namespace: string): Promise<string[]> {
  const job = await eventually(
    'the hook’s Job is there',
    async () => {
      const { items } = JSON.parse(await kube.kubectl(['get', 'jobs', '-n', namespace, '-o', 'json']));
      return items[0];
    },
    { timeoutMs: 60_000, everyMs: 200 },
  );
  const { serviceAccountName, containers } = job.spec.template.spec;
  const [container] = containers;
  const token = (await kube.kubectl(['create', 'token', serviceAccountName, '-n', namespace])).trim();
  const kubeconfig = join(kube.directory, 'hook.kubeconfig');
  writeKubeconfig(kubeconfig, { server: kube.url, caFile: kube.caFile, token });

  const [, ...command] = [...container.command, ...container.args];
  const manager = join(ROOT, 'src/manager/main.ts');
  await promisify(execFile)(process.execPath, [manager, ...command, `--kubeconfig=${kubeconfig}`]);
  await reportComplete(kube, namespace, job.metadata.name);
  return command;
}

async function reportComplete(kube: KubeApiserver, namespace: string, name: string): Promise<void> {
  const time = new Date().toISOString();
  const condition = (type: string) => ({
    type,
    status: 'True',
    lastTransitionTime: time,
    lastProbeTime: time,
  });
  const status = {
    startTime: time,
    completionTime: time,
    succeeded: 1,
    uncountedTerminatedPods: {},
    conditions: [condition('SuccessCriteriaMet'), condition('Complete')],
  };
  const patch = ['patch', 'job', name, '-n', namespace, '--subresource=status', '--type=merge', '-p'];
  await kube.kubectl([...patch, JSON.stringify({ status })]);
}
