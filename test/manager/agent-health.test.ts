import { expect } from 'chai';
import { type AgentHealthInput, agentHealth } from '../../src/manager/agent-health.ts';
import { deployment, pod } from './fixtures.ts';

const input: AgentHealthInput = { name: 'dep', deployment: deployment(), pods: [], now: 0 };
const health = (more: Partial<AgentHealthInput>) => agentHealth({ ...input, ...more });
const down = deployment({ availableReplicas: 0 });
const condition = (type: string, status: string, message: string) => ({ type, status, reason: 'R', message });

describe("an agent's health", () => {
  it('is available when its status is current and one replica is available', () => {
    expect(health({})).to.include({ status: 'True', reason: 'DeploymentAvailable', rollingOut: false });
  });

  it('is not yet when the status speaks of an older spec', () => {
    const stale = deployment({ generation: 2 });
    expect(health({ deployment: stale })).to.include({ status: 'False', reason: 'DeploymentPending' });
    expect(health({ deployment: stale, wasAvailable: true })).to.include({
      status: 'True',
      rollingOut: true,
    });
  });

  it('is pending without a Deployment or replicas', () => {
    expect(health({ deployment: undefined })).to.include({ reason: 'DeploymentPending', rollingOut: true });
    expect(health({ deployment: down, wasAvailable: true })).to.include({ reason: 'DeploymentPending' });
  });

  it('tells why there is no Deployment, and nothing of the kind where there is one', () => {
    const pods = [pod('a', { unschedulable: '0/1 nodes are available' })];
    const unwanted = 'no agent runs, because spec.suspend is true';
    expect(health({ deployment: undefined, pods, unwanted, trouble: 'timed out' }).message).to.equal(
      unwanted,
    );
    expect(health({ deployment: down, unwanted }).message).to.equal('Deployment dep is not available yet');
  });

  it('tells what kind of agent it is', () => {
    expect(health({ note: 'it runs one agent' }).message).to.equal(
      'Deployment dep is available; it runs one agent',
    );
  });

  const failures: readonly (readonly [string, Partial<AgentHealthInput>, string])[] = [
    [
      'an image that cannot be pulled',
      {
        pods: [
          pod('dep-1-abcde', {
            waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x/y:1"' },
          }),
        ],
      },
      'Pod dep-1: the image cannot be pulled: "x/y:1"',
    ],
    [
      'an image name that is none',
      { pods: [pod('dep-1-abcde', { waiting: { reason: 'InvalidImageName', message: 'bad name' } })] },
      'Pod dep-1: the image cannot be pulled: InvalidImageName: bad name',
    ],
    [
      'a crash loop',
      {
        pods: [
          pod('dep-1-abcde', {
            waiting: { reason: 'CrashLoopBackOff', exit: { isNow: false, reason: 'OOMKilled' } },
          }),
        ],
      },
      'the agent keeps crashing (OOMKilled); see its logs',
    ],
    [
      'a container that cannot start',
      {
        pods: [
          pod('p', { waiting: { reason: 'CreateContainerConfigError', message: 'secret "s" not found' } }),
        ],
      },
      'container agent cannot start: CreateContainerConfigError: secret "s" not found',
    ],
    [
      'a quota',
      {
        deployment: deployment({
          availableReplicas: 0,
          conditions: [condition('ReplicaFailure', 'True', 'exceeded quota')],
        }),
      },
      'no Pod can be created: exceeded quota',
    ],
    [
      'a rollout that does not end',
      {
        deployment: deployment({
          availableReplicas: 0,
          conditions: [condition('Progressing', 'False', 'timed out')],
        }),
      },
      'the rollout does not progress: timed out',
    ],
    [
      'an object that was refused',
      { refusal: 'ConfigMap "c" belongs to something else' },
      'ConfigMap "c" belongs to something else',
    ],
  ];
  for (const [what, more, message] of failures) {
    it(`fails with the words of ${what}`, () => {
      expect(health({ deployment: down, ...more })).to.include({
        status: 'False',
        reason: 'DeploymentFailed',
        message,
      });
    });
  }

  for (const reason of [
    ...['ImagePullBackOff', 'ErrImagePull', 'InvalidImageName', 'ErrImageNeverPull'],
    ...['RegistryUnavailable', 'ImageInspectError', 'CrashLoopBackOff', 'CreateContainerConfigError'],
    ...['CreateContainerError', 'RunContainerError', 'StartError'],
  ]) {
    it(`fails when a container waits for ${reason}`, () => {
      const { reason: verdict } = health({ deployment: down, pods: [pod('p', { waiting: { reason } })] });
      expect(verdict).to.equal('DeploymentFailed');
    });
  }

  it('is on its way while a container is being made', () => {
    for (const reason of ['ContainerCreating', 'PodInitializing']) {
      const { reason: verdict } = health({ deployment: down, pods: [pod('p', { waiting: { reason } })] });
      expect(verdict, reason).to.equal('DeploymentPending');
    }
  });

  it('says the same about both ways of waiting for an image', () => {
    const words = (reason: string, message: string) =>
      health({ deployment: down, pods: [pod('dep-1-abcde', { waiting: { reason, message } })] }).message;
    expect(words('ErrImagePull', 'failed to pull image "x/y:1": not found')).to.equal(
      words('ImagePullBackOff', 'Back-off pulling image "x/y:1"'),
    );
  });

  it('ignores Pods of an older configuration and Pods that end', () => {
    const crash = { waiting: { reason: 'CrashLoopBackOff' } };
    const pods = [pod('a', { ...crash, hash: 'h0' }), pod('b', { ...crash, terminating: true })];
    expect(health({ deployment: down, pods }).reason).to.equal('DeploymentPending');
  });

  it('tells that no node has room', () => {
    const pods = [pod('a', { unschedulable: '0/1 nodes are available' })];
    expect(health({ deployment: down, pods })).to.include({
      reason: 'DeploymentPending',
      message: 'Deployment dep waits for a node: 0/1 nodes are available',
    });
  });

  it('tells what the API server answered, and that it is tried again', () => {
    const found = health({ deployment: down, trouble: 'failed calling webhook' });
    expect(found).to.include({ reason: 'DeploymentPending' });
    expect(found.message).to.include('failed calling webhook').and.include('trying again');
    const long = health({ deployment: down, trouble: 'x'.repeat(2000) });
    expect(long.message).to.have.length(1024);
  });

  it('stays pending while the engine refuses, however long that takes', () => {
    const late = deployment({
      availableReplicas: 0,
      conditions: [condition('Progressing', 'False', 'timed out')],
    });
    const refused = health({ deployment: late, engineRefusal: 'no (code 2000)' });
    expect(refused).to.include({ reason: 'DeploymentPending' });
    expect(refused.message).to.include('no (code 2000)');
  });

  it('stays pending while agents cannot reach the engine, and says so once that takes long', () => {
    const connecting = 'connecting to e:443 failed';
    const late = deployment({
      availableReplicas: 0,
      conditions: [condition('Progressing', 'False', 'timed out')],
    });
    const found = health({ deployment: late, connecting });
    expect(found).to.include({
      reason: 'DeploymentPending',
      message: `Deployment dep is not available yet: ${connecting}`,
    });
    const early = health({ deployment: down, connecting });
    expect(early.message, 'not with each word of an agent').to.equal('Deployment dep is not available yet');
  });

  it('tells what holds a handover up while the old agent serves', () => {
    const surge = deployment({ updatedReplicas: 1, totalReplicas: 2, configHash: 'h2' });
    const pods = [pod('old'), pod('new', { hash: 'h2', waiting: { reason: 'CrashLoopBackOff' } })];
    const found = health({ deployment: surge, pods });
    expect(found).to.include({ status: 'True', rollingOut: true });
    expect(found.hindrance).to.include('keeps crashing');
    expect(health({}).hindrance).to.equal(undefined);
  });

  it('cuts causes short', () => {
    expect(health({ deployment: down, refusal: 'x'.repeat(5000) }).message).to.have.length(1024);
  });
});
