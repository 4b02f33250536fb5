import { expect } from 'chai';
import { helmDocument, helmYaml } from '../../../charts-ts/helm/template.ts';
import { block, guarded, scalar, splat, text, valueText } from '../../../charts-ts/helm/token.ts';

const CASES = [
  {
    title: 'a string that is one expression',
    value: { name: text('include "fullname" $') },
    yaml: 'name: {{ include "fullname" $ | quote }}\n',
  },
  {
    title: 'expressions among other text',
    value: { image: `100% ${valueText('repository')}:${valueText('tag')}` },
    yaml: 'image: {{ printf "100%% %s:%s" ($.Values.repository) ($.Values.tag) | quote }}\n',
  },
  {
    title: 'a number',
    value: { replicas: scalar('replicaCount') },
    yaml: 'replicas: {{ $.Values.replicaCount }}\n',
  },
  {
    title: 'a map or list',
    value: { spec: { tolerations: block('tolerations') } },
    yaml: [
      'spec:',
      '{{- with $.Values.tolerations }}',
      '  tolerations:',
      '    {{- toYaml . | nindent 4 }}',
      '{{- end }}',
      '',
    ].join('\n'),
  },
  {
    title: 'a list item in a loop',
    value: { args: ['--first', guarded('range $.Values.list', `--item=${text('.')}`)] },
    yaml: [
      'args:',
      '  - --first',
      '{{- range $.Values.list }}',
      '  - {{ printf "--item=%s" (.) | quote }}',
      '{{- end }}',
      '',
    ].join('\n'),
  },
  {
    title: 'a field under a condition, with placeholders inside',
    value: { spec: { env: guarded('if $.Values.proxy', [{ name: 'PROXY', value: valueText('proxy') }]) } },
    yaml: [
      'spec:',
      '{{- if $.Values.proxy }}',
      '  env:',
      '    - name: PROXY',
      '      value: {{ $.Values.proxy | quote }}',
      '{{- end }}',
      '',
    ].join('\n'),
  },
  {
    title: 'a user’s map among entries that it must not replace',
    value: { labels: { [splat('podLabels')]: '', app: 'x' } },
    yaml: [
      'labels:',
      '{{- with omit $.Values.podLabels "app" }}',
      '  {{- toYaml . | nindent 2 }}',
      '{{- end }}',
      '  app: x',
      '',
    ].join('\n'),
  },
  {
    title: 'maps of the user’s alone, the first one winning',
    value: { annotations: { [splat('own')]: '', [splat('common')]: '' } },
    yaml: [
      '{{- with (merge dict $.Values.own $.Values.common) }}',
      'annotations:',
      '  {{- toYaml . | nindent 2 }}',
      '{{- end }}',
      '',
    ].join('\n'),
  },
  {
    title: 'text that looks like an expression',
    value: { legend: '{{pod}}' },
    yaml: 'legend: "{{ "{{" }}pod}}"\n',
  },
];

describe('helmYaml', () => {
  for (const { title, value, yaml } of CASES) {
    it(`writes ${title}`, () => expect(helmYaml(value)).to.equal(yaml));
  }
});

describe('helmDocument', () => {
  it('puts a whole document under a condition', () => {
    expect(helmDocument({ kind: 'X' }, 'if $.Values.x')).to.equal(
      '{{- if $.Values.x }}\n---\nkind: X\n{{- end }}\n',
    );
    expect(helmDocument({ kind: 'X' })).to.equal('---\nkind: X\n');
  });
});
