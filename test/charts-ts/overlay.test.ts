import { ApiObject, App, Chart } from 'cdk8s';
import { expect } from 'chai';
import { isPresent, layOn, overlaysOf } from '../../charts-ts/overlay.ts';

function configMap(): ApiObject {
  return new ApiObject(new Chart(new App(), 'chart'), 'object', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings' },
    list: [{ name: 'first' }],
  });
}

describe('layOn', () => {
  it('lays a value on verbatim, where cdk8s would refuse or sort it', () => {
    const object = configMap();
    const data = JSON.parse('{"zebra": 1, "constructor": "kept", "__proto__": "kept too", "empty": []}');

    layOn(object, [{ path: ['data'], value: data }]);

    expect(object.toJson().data).to.equal(data);
    expect(JSON.stringify(object.toJson().data)).to.equal(JSON.stringify(data));
  });

  it('creates the objects on the way, reaches into lists, and lets the last one win', () => {
    const object = configMap();

    layOn(object, [
      { path: ['spec', 'deep', 'value'], value: 1 },
      { path: ['list', 0, 'name'], value: 'second' },
      { path: ['spec', 'deep', 'value'], value: 2 },
    ]);

    expect(object.toJson()).to.deep.include({ spec: { deep: { value: 2 } }, list: [{ name: 'second' }] });
  });

  it('reaches whatever synthesizes the chart, again and again', () => {
    const object = configMap();
    layOn(object, [{ path: ['data', 'key'], value: 'laid on' }]);

    expect(object.chart.toJson()).to.deep.equal(object.chart.toJson());
    expect(object.chart.toJson()[0].data).to.deep.equal({ key: 'laid on' });
  });

  it('refuses a path through something that is no object', () => {
    const object = configMap();
    layOn(object, [{ path: ['kind', 'deeper'], value: 1 }]);

    expect(() => object.toJson()).to.throw('an overlay leads through kind, which is no object');
  });
});

describe('isPresent', () => {
  for (const absent of [undefined, null, '', [], {}]) {
    it(`counts ${JSON.stringify(absent)} as absent`, () => expect(isPresent(absent)).to.equal(false));
  }

  for (const present of [0, false, 'x', [0], { key: '' }]) {
    it(`counts ${JSON.stringify(present)} as present`, () => expect(isPresent(present)).to.equal(true));
  }
});

describe('overlaysOf', () => {
  it('makes one overlay per field that is present', () => {
    expect(overlaysOf(['spec'], { replicas: 0, affinity: {}, name: 'x', none: undefined })).to.deep.equal([
      { path: ['spec', 'replicas'], value: 0 },
      { path: ['spec', 'name'], value: 'x' },
    ]);
  });
});
