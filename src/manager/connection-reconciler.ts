// Reconciles one RstreamConnection: read its Secrets, find its engine, tell its tunnels, write its status. What tunnels
// build on is kept in memory; the status says the same to people.

import type { Clock } from '../common/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reconciled } from '../kube/controller.ts';
import { adoptStatus, isLegacyStatus } from './adoption.ts';
import type { Blocked } from './blocked.ts';
import type { CachedConnection } from './cached-tunnel.ts';
import { digestOf } from './config-hash.ts';
import type { ConnectionBlockReason, ConnectionOutcome, ConnectionOutcomes } from './connection-outcome.ts';
import {
  connectionPlan,
  connectionSpecProblem,
  engineAllowed,
  type ProjectQuestion,
  secretUses,
} from './connection-plan.ts';
import { type ConnectionFinding, connectionStatus } from './connection-status.ts';
import { lastGoodEngine } from './last-good-engine.ts';
import type { ResolutionCache } from './resolution-cache.ts';
import { readSecretValues, type SecretValues } from './secret-values.ts';
import { writeStatus } from './status-writer.ts';
import { connectionContract } from './status-writes.ts';
import { connectionEvents, type EventToSend, type KnownCondition } from './tunnel-events.ts';
import { connections } from './watched-resources.ts';

export interface ConnectionReconcilerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly outcomes: ConnectionOutcomes;
  readonly resolutions: ResolutionCache;
  readonly allowedEngines: readonly string[];
  readonly connection: (key: string) => CachedConnection | undefined;
  /** The `config.yaml` of every tunnel of the connection that has one. */
  readonly tunnelConfigs: (key: string) => Iterable<string>;
  /** Its tunnels must be looked at again. */
  readonly onOutcome: (key: string) => void;
  readonly written: (connection: CachedConnection) => void;
  readonly emit: (about: CachedConnection, event: EventToSend) => void;
}

/** Rights that come back are no change of the Secret: nothing would tell. */
const forbiddenRetryMs = 30_000;

/** What was told of a connection, so that Events come once per change. */
interface Told {
  readonly uid: string;
  conditions: readonly KnownCondition[] | undefined;
  /** The API server's last refusal of its status. */
  refusal?: string | undefined;
}

interface Found {
  readonly finding: ConnectionFinding;
  readonly outcome: ConnectionOutcome;
  readonly againInMs?: number | undefined;
}

export class ConnectionReconciler {
  readonly #options: ConnectionReconcilerOptions;
  readonly #told = new Map<string, Told>();

  constructor(options: ConnectionReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Reconciled> {
    const connection = this.#options.connection(key);
    if (connection === undefined) {
      this.#forget(key);
      return {};
    }
    const { metadata } = connection;
    if (metadata.deletionTimestamp !== undefined) return {};
    if (isLegacyStatus(connection.owners)) return await this.#adopt(connection, signal);

    const found = await this.#find(key, connection, signal);
    const { outcomes, onOutcome } = this.#options;
    if (outcomes.set(key, metadata.uid, metadata.generation ?? 0, found.outcome)) onOutcome(key);
    const told = this.#toldOf(key, connection);
    return (
      (await this.#report(connection, found.finding, told, signal)) ?? { requeueAfterMs: found.againInMs }
    );
  }

  async #adopt({ metadata }: CachedConnection, signal: AbortSignal): Promise<Reconciled> {
    const { client, written } = this.#options;
    const { namespace, name } = metadata;
    const adopted = await adoptStatus(client, connections, { namespace, name }, signal);
    if (adopted === undefined) return {};
    written(adopted);
    return { requeueAfterMs: 0 };
  }

  #toldOf(key: string, { metadata: { uid }, status }: CachedConnection): Told {
    const known = this.#told.get(key);
    if (known?.uid === uid) return known;
    const told: Told = { uid, conditions: status?.conditions };
    this.#told.set(key, told);
    return told;
  }

  #forget(key: string): void {
    this.#told.delete(key);
    this.#options.resolutions.forget(key);
    this.#options.outcomes.delete(key);
  }

  async #find(key: string, connection: CachedConnection, signal: AbortSignal): Promise<Found> {
    const { spec, metadata } = connection;
    const problem = connectionSpecProblem(spec);
    if (problem !== undefined) return refused({ blocked: { reason: 'InvalidSpec', message: problem } });

    const uses = secretUses(spec);
    const read = await readSecretValues(this.#options.client, metadata.namespace, uses, signal);
    if ('blocked' in read)
      return { ...refused(read), againInMs: read.forbidden ? forbiddenRetryMs : undefined };
    const agents = uses.filter(({ isAgents }) => isAgents).map(({ field }) => field);
    const secretsDigest = digestOf(pick(read.values, agents));

    const plan = connectionPlan(spec, read.values, this.#options.allowedEngines);
    if ('blocked' in plan) return refused(plan);
    if ('engine' in plan) {
      this.#options.resolutions.forget(key);
      const { engine } = plan;
      return { finding: { engine }, outcome: { ready: { spec, engine, secretsDigest } } };
    }
    return await this.#ask(key, connection, plan.question, secretsDigest, signal);
  }

  async #ask(
    key: string,
    connection: CachedConnection,
    question: ProjectQuestion,
    secretsDigest: string,
    signal: AbortSignal,
  ): Promise<Found> {
    const { resolutions, allowedEngines } = this.#options;
    const { project, failure, againInMs, isFirst } = await resolutions.resolve(key, question, signal);
    const isPassing = isFirst && failure?.reason === 'ControlPlaneUnavailable';
    const engine = project?.engine ?? (isPassing ? this.#lastGood(key, connection) : undefined);

    if (engine === undefined) {
      const { reason, message } = failure ?? { reason: 'ControlPlaneUnavailable', message: 'no answer yet' };
      return { ...refused({ blocked: { reason, message, denied: reason === 'PolicyDenied' } }), againInMs };
    }
    const denied = engineAllowed(engine, allowedEngines);
    if (denied !== undefined) return { ...refused(denied), againInMs };

    const outcome = { ready: { spec: connection.spec, engine, secretsDigest } };
    if (failure !== undefined) return { finding: { engine, stale: failure.message }, outcome, againInMs };
    return { finding: { engine, ...(project && { project }) }, outcome, againInMs };
  }

  #lastGood(key: string, connection: CachedConnection): string | undefined {
    return lastGoodEngine(connection, this.#options.tunnelConfigs(key));
  }

  /** When to judge again a connection that is another by now, instead of what was said. */
  async #report(
    connection: CachedConnection,
    finding: ConnectionFinding,
    told: Told,
    signal: AbortSignal,
  ): Promise<Reconciled | undefined> {
    const { client, clock, emit, written } = this.#options;
    const wish = connectionStatus(connection, finding);
    const result = await writeStatus({
      client,
      clock,
      resource: connections,
      contract: connectionContract,
      subject: connection,
      wish,
      signal,
    });
    if ('latest' in result) {
      if (result.latest === undefined) return {};
      written(result.latest);
      return { requeue: true };
    }
    if ('refused' in result) {
      if (told.refusal !== result.refused)
        emit(connection, { type: 'Warning', reason: 'InvalidSpec', message: result.refused });
      told.refusal = result.refused;
      return undefined;
    }
    told.refusal = undefined;
    for (const event of connectionEvents(told.conditions, wish.conditions)) emit(connection, event);
    told.conditions = wish.conditions;
    if ('written' in result) written(result.written);
    return undefined;
  }
}

function refused(block: Blocked<ConnectionBlockReason>): Found {
  const { reason, message } = block.blocked;
  return { finding: { reason, message }, outcome: block };
}

function pick(values: SecretValues, fields: readonly string[]): ReadonlyMap<string, string> {
  return new Map([...values].filter(([field]) => fields.includes(field)));
}
