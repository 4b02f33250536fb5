// docs/conditions.md names every condition, reason and Event, says what each means and what to do, and names no other.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { CONNECTION_CONDITIONS, TUNNEL_CONDITIONS } from '../../src/api/conditions.ts';
import { CONNECTION_REASONS, TUNNEL_REASONS } from '../../src/api/reasons.ts';
import { connectionEvents, tunnelEvents } from '../../src/manager/tunnel-events.ts';
import {
  connectionReasonTable,
  type ReasonTable,
  reasonPairs,
  tunnelReasonTable,
} from '../support/condition-reasons.ts';

const page = readFileSync(new URL('../../docs/conditions.md', import.meta.url), 'utf8');

/** The text below a heading, up to the next one of its level or above. */
function section(text: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const start = text.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`docs/conditions.md has no heading "${heading}"`);
  const rest = text.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${level}} `, 'm'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The rows of the first table, as cells. */
function rows(text: string): readonly (readonly string[])[] {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  return lines.slice(2).map(cells);
}

function documentedPairs(kind: string, types: readonly string[]): readonly string[] {
  const text = section(page, `## ${kind}`);
  const pairs = types.flatMap((type) =>
    rows(section(text, `### ${type}`)).flatMap(([status, reasons = '']) =>
      reasons.split(', ').map((reason) => `${type}=${status}/${reason}`),
    ),
  );
  return pairs.toSorted();
}

const reasonsOf = (table: ReasonTable) =>
  new Set(Object.values(table).flatMap((byStatus) => Object.values(byStatus).flat()));

const kinds = [
  ['RstreamTunnel', tunnelReasonTable, TUNNEL_CONDITIONS, TUNNEL_REASONS],
  ['RstreamConnection', connectionReasonTable, CONNECTION_CONDITIONS, CONNECTION_REASONS],
] as const;

describe('the conditions page', () => {
  for (const [kind, table, conditions, reasons] of kinds) {
    it(`tells of every reason of every condition of an ${kind}, and of no other`, () => {
      expect(documentedPairs(kind, conditions)).to.deep.equal(reasonPairs(table));
    });

    it(`leaves no condition or reason of an ${kind} out that the code knows`, () => {
      expect(Object.keys(table)).to.have.members([...conditions]);
      expect([...reasonsOf(table)]).to.have.members([...reasons]);
    });
  }

  it('says of every row what it means and what to do', () => {
    const all = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'));
    for (const line of all) {
      const cells = line.split('|').slice(1, -1);
      for (const cell of cells) expect(cell.trim(), line).to.not.equal('');
    }
    expect(all.length).to.be.greaterThan(40);
  });

  it('tells of every Event, on the right resource, and of no other', () => {
    const documented = rows(section(page, '## Events')).flatMap(([type, reasons = '', on = '']) =>
      reasons
        .split(', ')
        .flatMap((reason) =>
          (on === 'both' ? ['connection', 'tunnel'] : [on]).map(
            (resource) => `${resource} ${type} ${reason}`,
          ),
        ),
    );
    const expected = [
      ...eventsOf('connection', connectionReasonTable),
      ...eventsOf('tunnel', tunnelReasonTable),
      'tunnel Warning NameShared',
    ];
    expect(documented.toSorted()).to.deep.equal([...new Set(expected)].toSorted());
  });
});

/** Every Event that some change of a condition brings about. */
function eventsOf(resource: 'connection' | 'tunnel', table: ReasonTable): readonly string[] {
  const events = resource === 'tunnel' ? tunnelEvents : connectionEvents;
  return Object.entries(table).flatMap(([type, byStatus]) =>
    Object.entries(byStatus).flatMap(([status, reasons]) =>
      reasons.flatMap((reason) => {
        const other = { type, status: status === 'True' ? 'False' : 'True', reason: 'Another' } as const;
        const after = { type, status: status as 'True' | 'False' | 'Unknown', reason, message: 'm' };
        return events([other], [after]).map((event) => `${resource} ${event.type} ${event.reason}`);
      }),
    ),
  );
}
