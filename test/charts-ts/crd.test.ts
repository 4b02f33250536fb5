import { App, Chart } from 'cdk8s';
import { expect } from 'chai';

import { Crds, crdManifests } from '../../charts-ts/crd.ts';

describe('Crds', () => {
  it('synthesizes exactly the manifests, x-kubernetes-* keys included', () => {
    const chart = new Chart(new App(), 'crds');
    new Crds(chart, 'crds');

    expect(chart.toJson()).to.deep.equal(JSON.parse(JSON.stringify(crdManifests())));
    expect(JSON.stringify(chart.toJson())).to.contain('x-kubernetes-list-map-keys');
  });

  it('puts labels and annotations on both', () => {
    const chart = new Chart(new App(), 'crds');
    new Crds(chart, 'crds', { labels: { team: 'a' }, annotations: { 'helm.sh/resource-policy': 'keep' } });

    for (const { metadata } of chart.toJson()) {
      expect(metadata.labels).to.deep.equal({ team: 'a' });
      expect(metadata.annotations).to.deep.equal({ 'helm.sh/resource-policy': 'keep' });
    }
  });

  it('stays small enough for client-side kubectl apply', () => {
    for (const manifest of crdManifests()) expect(JSON.stringify(manifest).length).to.be.below(200_000);
  });
});
