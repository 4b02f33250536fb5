// A real control plane for tests: etcd and kube-apiserver, and on request controller-manager and scheduler.
// Everything listens on the loopback interface, lives in a temporary directory and dies with the test process.

import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { writeKubeconfig } from './kubeconfig-file.ts';
import { kubeBinary } from './test-home.ts';

export interface KubeApiserverOptions {
  /** Garbage collection, ReplicaSets, namespace deletion; default false. */
  readonly controllerManager?: boolean;
  /** Binds Pods to Nodes; default false. */
  readonly scheduler?: boolean;
  /** A policy file for `--audit-policy-file`; the log is then at `auditLog`. */
  readonly auditPolicy?: string;
  /** More flags for kube-apiserver. */
  readonly extraArgs?: readonly string[];
}

/** One running control plane. `token` is a member of system:masters. */
export class KubeApiserver {
  readonly directory: string;
  readonly token = randomUUID();
  readonly auditLog: string;
  #options: KubeApiserverOptions;
  #etcdPort = 0;
  #port = 0;
  #daemons = new Map<string, Daemon>();

  private constructor(options: KubeApiserverOptions) {
    this.#options = options;
    this.directory = mkdtempSync(join(tmpdir(), 'kube-apiserver-'));
    this.auditLog = join(this.directory, 'audit.log');
  }

  static async start(options: KubeApiserverOptions = {}): Promise<KubeApiserver> {
    const server = new KubeApiserver(options);
    try {
      await server.#start();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** PEM file that verifies the server. */
  get caFile(): string {
    return join(this.directory, 'certs', 'apiserver.crt');
  }

  /** A kubeconfig with the rights of system:masters. */
  get kubeconfig(): string {
    return join(this.directory, 'admin.kubeconfig');
  }

  /** Runs kubectl and returns its stdout; rejects with its stderr in the message. */
  async kubectl(args: readonly string[], input?: string): Promise<string> {
    const child = promisify(execFile)(kubeBinary('kubectl'), ['--kubeconfig', this.kubeconfig, ...args], {
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, KUBECACHEDIR: join(this.directory, 'kubecache') },
    });
    // One that ends before it has read its input is judged by its exit code, not by a broken pipe.
    child.child.stdin?.on('error', () => {});
    child.child.stdin?.end(input ?? '');
    return (await child).stdout;
  }

  async createNamespace(prefix = 'test'): Promise<string> {
    const name = `${prefix}-${randomUUID().slice(0, 8)}`;
    await this.kubectl(['create', 'namespace', name]);
    return name;
  }

  /** A running component, to be paused or killed by a test. */
  component(name: 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler'): Daemon {
    const daemon = this.#daemons.get(name);
    if (!daemon) throw new Error(`${name} was not started`);
    return daemon;
  }

  async stopApiserver(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.component('kube-apiserver').stop(signal);
  }

  /** Starts the API server again on the same port, with the same data. */
  async startApiserver(): Promise<void> {
    this.#spawn('kube-apiserver', this.#apiserverArgs());
    await this.#untilReady();
  }

  /** Makes etcd forget every version up to now, so that watches and continue tokens from before are too old. */
  async compactEtcd(): Promise<void> {
    const call = async (path: string, body: object): Promise<{ header: { revision: string } }> => {
      const response = await fetch(`http://127.0.0.1:${this.#etcdPort}/v3/kv/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`etcd answered ${response.status}: ${await response.text()}`);
      return (await response.json()) as { header: { revision: string } };
    };
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const { header } = await call('put', { key: base64('/compaction'), value: base64('now') });
    await call('compaction', { revision: header.revision });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#daemons.values()].map((daemon) => daemon.stop()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    this.#etcdPort = await freePort();
    this.#port = await freePort();
    const peerPort = await freePort();
    this.#writeFiles();
    const client = `http://127.0.0.1:${this.#etcdPort}`;
    const peer = `http://127.0.0.1:${peerPort}`;
    this.#spawn('etcd', [
      ...['--data-dir', join(this.directory, 'etcd'), '--unsafe-no-fsync', '--log-level', 'error'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer],
      ...['--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
    ]);
    await this.startApiserver();
    if (this.#options.controllerManager) await this.startControllerManager();
    if (this.#options.scheduler) {
      const kubeconfig = ['--kubeconfig', this.kubeconfig, '--authentication-kubeconfig', this.kubeconfig];
      // Its own limit of 50 requests per second would be all that a test of scale measures.
      const limits = ['--kube-api-qps=300', '--kube-api-burst=500'];
      this.#spawn('kube-scheduler', [...kubeconfig, ...limits, '--leader-elect=false', '--secure-port=0']);
    }
  }

  /** What the API server serves by now is what gets garbage collected at once; later kinds are found every half minute. */
  async startControllerManager(): Promise<void> {
    this.#spawn('kube-controller-manager', [
      ...['--kubeconfig', this.kubeconfig, '--leader-elect=false', '--secure-port=0'],
      ...[
        '--service-account-private-key-file',
        join(this.directory, 'sa.key'),
        '--root-ca-file',
        this.caFile,
      ],
      ...['--kube-api-qps=300', '--kube-api-burst=500', '--use-service-account-credentials=false'],
      `--flex-volume-plugin-dir=${join(this.directory, 'volume-plugins')}`,
    ]);
    await eventually(
      'the controller-manager makes service accounts',
      async () =>
        (await this.kubectl(['get', 'serviceaccount', '-n', 'default', '-o', 'name'])).includes('default'),
      { timeoutMs: 60_000, everyMs: 200 },
    );
  }

  #writeFiles(): void {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    writeFileSync(join(this.directory, 'sa.key'), privateKey, { mode: 0o600 });
    writeFileSync(join(this.directory, 'sa.pub'), publicKey);
    writeFileSync(join(this.directory, 'tokens.csv'), `${this.token},admin,admin,system:masters\n`, {
      mode: 0o600,
    });
    writeKubeconfig(this.kubeconfig, { server: this.url, caFile: this.caFile, token: this.token });
  }

  #apiserverArgs(): string[] {
    const { auditPolicy, extraArgs = [] } = this.#options;
    const keyFile = join(this.directory, 'sa.key');
    return [
      ...['--etcd-servers', `http://127.0.0.1:${this.#etcdPort}`, '--bind-address', '127.0.0.1'],
      ...['--secure-port', `${this.#port}`, '--cert-dir', join(this.directory, 'certs')],
      ...['--token-auth-file', join(this.directory, 'tokens.csv'), '--authorization-mode', 'RBAC'],
      ...[
        '--service-account-issuer',
        'https://kubernetes.default.svc',
        '--service-account-signing-key-file',
        keyFile,
      ],
      ...[
        '--service-account-key-file',
        join(this.directory, 'sa.pub'),
        '--service-cluster-ip-range',
        '10.96.0.0/16',
      ],
      ...(auditPolicy ? ['--audit-policy-file', auditPolicy, '--audit-log-path', this.auditLog] : []),
      ...extraArgs,
    ];
  }

  #spawn(name: string, args: readonly string[]): void {
    const logFile = join(this.directory, `${name}.log`);
    this.#daemons.set(name, new Daemon({ command: kubeBinary(name), args, logFile }));
  }

  async #untilReady(): Promise<void> {
    const daemon = this.component('kube-apiserver');
    const ready = async () => {
      if (!daemon.running) return false;
      return (
        (await this.#status('/readyz')) === 200 && (await this.#status('/api/v1/namespaces/default')) === 200
      );
    };
    try {
      await eventually('kube-apiserver is ready', ready, { timeoutMs: 90_000, everyMs: 50 });
    } catch (error) {
      throw new Error(`kube-apiserver did not become ready:\n${daemon.tail()}`, { cause: error });
    }
  }

  async #status(path: string): Promise<number> {
    const ca = await readFile(this.caFile);
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.token}` };
      const sent = request(`${this.url}${path}`, { ca, headers, agent: false, timeout: 5000 }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on('timeout', () => sent.destroy(new Error('timed out')));
      sent.on('error', reject);
      sent.end();
    });
  }
}
