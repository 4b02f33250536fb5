// HTTP requests at a steady rate to a published name, each with a body that must come back as it was.

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { EngineProcess } from './engine-process.ts';

export interface LoadResult {
  /** Answered as they should be. */
  good: number;
  /** Answered 503: nobody held the name just then. */
  unowned: number;
  /** Everything else, in words. */
  readonly failures: string[];
}

export class HttpLoad {
  readonly result: LoadResult = { good: 0, unowned: 0, failures: [] };
  readonly #started = performance.now();
  readonly #agent: Agent;
  readonly #engine: EngineProcess;
  readonly #hostname: string;
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();

  constructor(engine: EngineProcess, hostname: string, perSecond: number) {
    this.#engine = engine;
    this.#hostname = hostname;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64, ca: engine.ca });
    let sent = 0;
    this.#timer = setInterval(() => {
      // A late timer makes up for what it missed.
      for (const due = ((performance.now() - this.#started) / 1000) * perSecond; sent < due; sent += 1)
        this.#send();
    }, 5);
  }

  /** Stops sending and waits for what is under way. */
  async stop(): Promise<LoadResult> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#agent.destroy();
    return this.result;
  }

  #send(): void {
    const body = randomBytes(600).toString('base64');
    const started = performance.now();
    const failed = (why: string) => {
      const [ms, at] = [performance.now() - started, started - this.#started].map(Math.round);
      this.result.failures.push(`${why}, ${ms} ms after it was sent, ${at} ms after the first one`);
    };
    const answered = this.#exchange(body)
      .then(({ status, text }) => {
        if (status === 200 && text === body) this.result.good += 1;
        else if (status === 503) this.result.unowned += 1;
        else failed(`${status} ${text.slice(0, 200)}`);
      })
      .catch((error) => failed(String(error)))
      .finally(() => this.#underWay.delete(answered));
    this.#underWay.add(answered);
  }

  #exchange(body: string): Promise<{ readonly status: number; readonly text: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: this.#engine.port,
          servername: this.#hostname,
          headers: { host: this.#hostname, 'content-length': body.length },
          method: 'POST',
          agent: this.#agent,
          // Longer than the engine waits for a dial-back, and than a busy machine may stand still.
          timeout: 60_000,
        },
        (response) => {
          textOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
        },
      );
      sent.on('timeout', () => sent.destroy(new Error('no answer within a minute')));
      sent.on('error', (error) =>
        reject(sent.reusedSocket ? new Error(`on a kept connection: ${error.message}`) : error),
      );
      sent.end(body);
    });
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}
