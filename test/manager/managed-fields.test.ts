import { expect } from 'chai';
import type { ManagedFieldsEntry } from '../../src/kube/object.ts';
import { isLegacyStatus } from '../../src/manager/adoption.ts';
import { adoptEntries, mergeFields } from '../../src/manager/managed-fields.ts';

const entry = (manager: string, operation: 'Apply' | 'Update', fieldsV1: object, subresource?: string) =>
  ({
    manager,
    operation,
    apiVersion: 'v1',
    fieldsV1,
    ...(subresource && { subresource }),
  }) as ManagedFieldsEntry;
const byUpdate = ({ operation }: ManagedFieldsEntry) => operation === 'Update';
const find = (entries: readonly ManagedFieldsEntry[] | undefined, manager: string) =>
  entries?.find((candidate) => candidate.manager === manager && candidate.operation === 'Apply')?.fieldsV1;

describe('moving what was written by Update', () => {
  it('does nothing where there is nothing of the kind', () => {
    expect(adoptEntries([entry('rstream-operator', 'Apply', {})], byUpdate)).to.equal(undefined);
  });

  it('joins it with what we applied already, and leaves the rest alone', () => {
    const other = entry('kubelet', 'Apply', { 'f:x': {} });
    const entries = [
      entry('manager', 'Update', { 'f:spec': { 'f:a': {}, 'f:b': { 'f:c': {} } } }),
      other,
      entry('rstream-operator', 'Apply', { 'f:spec': { 'f:b': { 'f:d': {} } } }),
    ];
    const adopted = adoptEntries(entries, byUpdate);
    expect(adopted).to.have.length(2).and.include(other);
    expect(find(adopted, 'rstream-operator')).to.deep.equal({
      'f:spec': { 'f:a': {}, 'f:b': { 'f:c': {}, 'f:d': {} } },
    });
  });

  it("gives the agents' part of a status to our agents", () => {
    const conditions = (...types: string[]) => ({
      'f:conditions': Object.fromEntries(types.map((type) => [`k:{"type":"${type}"}`, { 'f:status': {} }])),
    });
    const entries = [
      entry(
        'manager',
        'Update',
        { 'f:status': { 'f:target': {}, ...conditions('Accepted', 'TunnelReady') } },
        'status',
      ),
      entry(
        'rstream-agent',
        'Update',
        { 'f:status': { 'f:hostname': {}, 'f:tunnelID': {}, ...conditions('Ready') } },
        'status',
      ),
      entry('rstream-agent', 'Apply', { 'f:status': { 'f:agentPod': {} } }, 'status'),
    ];
    const adopted = adoptEntries(entries, byUpdate, 'status');
    expect(adopted).to.have.length(2);
    expect(find(adopted, 'rstream-operator')).to.deep.equal({
      'f:status': { 'f:target': {}, 'f:hostname': {}, ...conditions('Accepted', 'Ready') },
    });
    expect(find(adopted, 'rstream-agent')).to.deep.equal({
      'f:status': { 'f:agentPod': {}, 'f:tunnelID': {}, ...conditions('TunnelReady') },
    });
  });

  it('survives the names that every object has', () => {
    const fields = { 'f:constructor': {}, 'f:data': JSON.parse('{"f:__proto__":{}}') };
    expect(
      JSON.stringify(mergeFields([entry('m', 'Update', fields), entry('n', 'Update', fields)])),
    ).to.equal('{"f:constructor":{},"f:data":{"f:__proto__":{}}}');
  });
});

describe('a status that the Go operator wrote', () => {
  const cases = [
    [['manager'], false, true],
    [['kubectl-edit', 'manager'], false, true],
    [['kubectl-edit'], false, false],
    [[], false, false],
    [['manager'], true, false],
    [['rstream-agent'], true, true],
  ] as const;
  for (const [updaters, applied, expected] of cases) {
    it(`is ${expected ? '' : 'not '}one updated by ${updaters.join(' and ') || 'nobody'}${applied ? ' after us' : ''}`, () => {
      expect(isLegacyStatus({ foreign: [], updaters, applied })).to.equal(expected);
    });
  }
});
