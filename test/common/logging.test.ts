import { expect } from 'chai';
import { inBackground } from '../../src/common/background.ts';
import { CodedError, codeOf, messageOf } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logging.ts';

function capture(level?: 'debug' | 'info') {
  const lines: string[] = [];
  const log = createLogger('manager', { level, destination: { write: (line) => lines.push(line) } });
  return { log, entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('createLogger', () => {
  it('writes one JSON line per event with level, time, logger and the given fields', () => {
    const { log, entries } = capture();
    log.child({ namespace: 'shop' }).info({ name: 'web' }, 'applied children');

    expect(entries()).to.have.length(1);
    expect(entries()[0]).to.include({
      level: 'info',
      logger: 'manager',
      namespace: 'shop',
      name: 'web',
      msg: 'applied children',
    });
    expect(entries()[0]?.time).to.match(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it('writes one line for people when asked, with whatever could be mistaken in quotes', () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => lines.push(line) };
    const log = createLogger('manager', { format: 'text', destination });
    log.warn({ name: 'web', reason: 'no\nway', count: 2, error: new Error('gone') }, 'did not\napply');

    expect(lines).to.have.length(1);
    expect(lines[0]).to.match(
      /^\d{4}-\S+Z WARN {2}did not apply logger=manager name=web reason="no\\nway" count=2 error=\{"message":"gone"\}\n$/,
    );
  });

  it('takes out of fields and errors what it is told to, and no word of its own', () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => lines.push(line) };
    const redact = (text: string) => text.replaceAll('canary', '…');
    const log = createLogger('agent', { destination, redact }).child({ tunnel: 'canary' });
    const cause = new Error('cause canary');
    const error = new CodedError('ERR_X', 'error canary', { cause });
    log.warn({ text: 'field canary', count: 2, error }, 'canary');

    expect(JSON.parse(lines[0] ?? '')).to.include({ text: 'field …', count: 2, msg: 'canary' });
    expect(JSON.parse(lines[0] ?? '').error).to.deep.equal({
      ...{ message: 'error …', code: 'ERR_X' },
      cause: { message: 'cause …' },
    });
  });

  it('leaves out debug unless asked', () => {
    const { log, entries } = capture();
    log.debug({}, 'normal path');
    expect(entries()).to.deep.equal([]);

    const verbose = capture('debug');
    verbose.log.debug({}, 'normal path');
    expect(verbose.entries()).to.have.length(1);
  });

  it('does not repeat the words of a cause that the error has told', () => {
    const { log, entries } = capture();
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    for (const cause of [refused, new Error('connect ECONNREFUSED')]) {
      log.error({ error: new CodedError('ERR_X', 'GET /: connect ECONNREFUSED', { cause }) }, 'failed');
    }

    const told = { message: 'GET /: connect ECONNREFUSED', code: 'ERR_X' };
    expect(entries().map(({ error }) => error)).to.deep.equal([
      { ...told, cause: { code: 'ECONNREFUSED' } },
      told,
    ]);
  });

  it('writes an error as code, message and cause, without a stack', () => {
    const { log, entries } = capture();
    log.error(
      { error: new CodedError('ERR_X', 'could not', { cause: new Error('socket hang up') }) },
      'reconcile failed',
    );

    expect(entries()[0]?.error).to.deep.equal({
      message: 'could not',
      code: 'ERR_X',
      cause: { message: 'socket hang up' },
    });
  });
});

describe('inBackground', () => {
  it('logs a rejection and a synchronous throw, and nothing once aborted', async () => {
    const { log, entries } = capture();
    const abort = new AbortController();
    inBackground(log, 'first', () => Promise.reject(new Error('one')));
    inBackground(log, 'second', () => {
      throw new Error('two');
    });
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    inBackground(log, 'third', () => Promise.reject(new Error('three')), abort.signal);
    await new Promise((resolve) => setImmediate(resolve));

    expect(entries().map((entry) => entry.msg)).to.have.members(['first failed', 'second failed']);
  });
});

describe('errors', () => {
  it('names message and code of anything thrown', () => {
    expect(messageOf('text')).to.equal('text');
    expect(messageOf(new AggregateError([new Error('first')]))).to.equal('first');
    expect(codeOf(new CodedError('ERR_A', 'a'))).to.equal('ERR_A');
    expect(codeOf({ code: 7 })).to.equal(undefined);
    expect(codeOf(undefined)).to.equal(undefined);
  });
});
