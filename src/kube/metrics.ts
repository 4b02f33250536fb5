// The runtime's metrics under the names controller-runtime and client-go use, registered in a registry that is handed in.
// Labels are bounded: controllers, resources, verbs and status codes, never object names.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Powers of ten from 10 ns to 1000 s, as client-go has them for work queues. */
const queueBuckets = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];
const reconcileBuckets = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5,
  1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];

export type ReconcileResult = 'success' | 'requeue_after' | 'requeue' | 'error';
export type WatchEnd = 'closed' | 'expired' | 'silent' | 'rejected' | 'broken';

/** What a work queue reports about itself; times in milliseconds. */
export interface QueueMetrics {
  depth(length: number): void;
  added(): void;
  retried(): void;
  waited(ms: number): void;
  worked(ms: number): void;
  /** Asked when metrics are collected: since when each key under way is worked on, as ages. */
  observeUnfinished(ages: () => readonly number[]): void;
}

export interface ControllerMetrics {
  reconciled(result: ReconcileResult, ms: number): void;
  activeWorkers(count: number): void;
  maxWorkers(count: number): void;
}

export interface InformerMetrics {
  listed(objects: number): void;
  watchStarted(): void;
  watchEnded(end: WatchEnd): void;
  handlerFailed(): void;
}

export class KubeMetrics {
  readonly #requests: Counter<'code' | 'method' | 'host'>;
  readonly #leader: Gauge<'name'>;
  readonly #queue: ReturnType<typeof queueFamilies>;
  readonly #controller: ReturnType<typeof controllerFamilies>;
  readonly #informer: ReturnType<typeof informerFamilies>;
  readonly #unfinished = new Map<string, () => readonly number[]>();

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'rest_client_requests_total',
      help: 'Number of HTTP requests, partitioned by status code, method, and host.',
      labelNames: ['code', 'method', 'host'],
      registers,
    });
    this.#leader = new Gauge({
      name: 'leader_election_master_status',
      help: 'Whether this process leads: 1 is the leader, 0 is not.',
      labelNames: ['name'],
      registers,
    });
    this.#queue = queueFamilies(registers, this.#unfinished);
    this.#controller = controllerFamilies(registers);
    this.#informer = informerFamilies(registers);
  }

  /** `code` is the HTTP status, or `<error>` when there was no answer. */
  request(method: string, code: string, host: string): void {
    this.#requests.inc({ method, code, host });
  }

  leading(name: string, leads: boolean): void {
    this.#leader.set({ name }, leads ? 1 : 0);
  }

  queue(name: string): QueueMetrics {
    const labels = { name, controller: name };
    const families = this.#queue;
    families.depth.set(labels, 0);
    families.adds.inc(labels, 0);
    families.retries.inc(labels, 0);
    return {
      depth: (length) => families.depth.set(labels, length),
      added: () => families.adds.inc(labels),
      retried: () => families.retries.inc(labels),
      waited: (ms) => families.waiting.observe(labels, ms / 1000),
      worked: (ms) => families.working.observe(labels, ms / 1000),
      observeUnfinished: (ages) => this.#unfinished.set(name, ages),
    };
  }

  controller(controller: string): ControllerMetrics {
    const families = this.#controller;
    for (const result of ['success', 'requeue_after', 'requeue', 'error'] as const)
      families.total.inc({ controller, result }, 0);
    families.errors.inc({ controller }, 0);
    return {
      reconciled: (result, ms) => {
        families.total.inc({ controller, result });
        if (result === 'error') families.errors.inc({ controller });
        families.time.observe({ controller }, ms / 1000);
      },
      activeWorkers: (count) => families.active.set({ controller }, count),
      maxWorkers: (count) => families.max.set({ controller }, count),
    };
  }

  informer(name: string): InformerMetrics {
    const families = this.#informer;
    return {
      listed: (objects) => {
        families.lists.inc({ name });
        families.objects.observe({ name }, objects);
      },
      watchStarted: () => families.watches.inc({ name }),
      watchEnded: (reason) => families.ends.inc({ name, reason }),
      handlerFailed: () => families.handlers.inc({ name }),
    };
  }
}

function queueFamilies(registers: Registry[], unfinished: ReadonlyMap<string, () => readonly number[]>) {
  const labelNames = ['name', 'controller'] as const;
  const ages = (gauge: Gauge<'name' | 'controller'>, total: (values: readonly number[]) => number) => {
    for (const [name, read] of unfinished) gauge.set({ name, controller: name }, total(read()) / 1000);
  };
  new Gauge({
    name: 'workqueue_unfinished_work_seconds',
    help: 'How many seconds of work is in progress and not yet counted by work_duration.',
    labelNames,
    registers,
    collect() {
      ages(this, (values) => values.reduce((sum, value) => sum + value, 0));
    },
  });
  new Gauge({
    name: 'workqueue_longest_running_processor_seconds',
    help: 'How many seconds the longest running worker has been at its key.',
    labelNames,
    registers,
    collect() {
      ages(this, (values) => Math.max(0, ...values));
    },
  });
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, labelNames, registers, buckets: queueBuckets });
  return {
    depth: gauge('workqueue_depth', 'Current depth of the work queue.'),
    adds: counter('workqueue_adds_total', 'Total number of adds handled by the work queue.'),
    retries: counter('workqueue_retries_total', 'Total number of retries handled by the work queue.'),
    waiting: histogram('workqueue_queue_duration_seconds', 'How long a key waits before it is worked on.'),
    working: histogram('workqueue_work_duration_seconds', 'How long working on a key takes.'),
  };
}

function controllerFamilies(registers: Registry[]) {
  const prefix = 'controller_runtime';
  return {
    total: new Counter({
      name: `${prefix}_reconcile_total`,
      help: 'Total number of reconciliations per controller.',
      labelNames: ['controller', 'result'],
      registers,
    }),
    errors: new Counter({
      name: `${prefix}_reconcile_errors_total`,
      help: 'Total number of reconciliation errors per controller.',
      labelNames: ['controller'],
      registers,
    }),
    time: new Histogram({
      name: `${prefix}_reconcile_time_seconds`,
      help: 'Length of time per reconciliation per controller.',
      labelNames: ['controller'],
      buckets: reconcileBuckets,
      registers,
    }),
    active: new Gauge({
      name: `${prefix}_active_workers`,
      help: 'Number of currently used workers per controller.',
      labelNames: ['controller'],
      registers,
    }),
    max: new Gauge({
      name: `${prefix}_max_concurrent_reconciles`,
      help: 'Maximum number of concurrent reconciles per controller.',
      labelNames: ['controller'],
      registers,
    }),
  };
}

function informerFamilies(registers: Registry[]) {
  return {
    lists: new Counter({
      name: 'reflector_lists_total',
      help: 'Total number of API lists done by the reflectors.',
      labelNames: ['name'],
      registers,
    }),
    objects: new Histogram({
      name: 'reflector_items_per_list',
      help: 'How many items an API list returns to the reflectors.',
      labelNames: ['name'],
      buckets: [0, 1, 10, 100, 1000, 10_000],
      registers,
    }),
    watches: new Counter({
      name: 'reflector_watches_total',
      help: 'Total number of API watches done by the reflectors.',
      labelNames: ['name'],
      registers,
    }),
    ends: new Counter({
      name: 'reflector_watch_restarts_total',
      help: 'Watches that ended and were started again, by why they ended.',
      labelNames: ['name', 'reason'],
      registers,
    }),
    handlers: new Counter({
      name: 'reflector_handler_failures_total',
      help: 'Event handlers that threw.',
      labelNames: ['name'],
      registers,
    }),
  };
}
