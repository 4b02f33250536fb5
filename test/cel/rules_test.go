// Compiles every rule of dist/crds.yaml in the CEL environment of Kubernetes 1.28, the oldest release supported, and
// holds each rule and each CRD to the API server's cost limits.
package cel

import (
	"bytes"
	"os"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apimachinery/pkg/util/yaml"
	config "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

const (
	ruleLimit uint64 = 10_000_000
	crdLimit  uint64 = 100_000_000
)

var oldest = environment.MustBaseEnvSet(version.MajorMinor(1, 28))

func TestRulesCompileInKubernetes128(t *testing.T) {
	crds := readCRDs(t)
	if len(crds) != 2 {
		t.Fatalf("dist/crds.yaml has %d CustomResourceDefinitions, not 2", len(crds))
	}
	for _, crd := range crds {
		t.Run(crd.Name, func(t *testing.T) {
			var internal apiextensions.JSONSchemaProps
			source := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
			if err := v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(source, &internal, nil); err != nil {
				t.Fatal(err)
			}
			structural, err := schema.NewStructural(&internal)
			if err != nil {
				t.Fatal(err)
			}
			rules, cost := walk(t, structural, "", true, 1)
			if rules == 0 || cost > crdLimit {
				t.Errorf("%d rules cost %d, the limit is %d", rules, cost, crdLimit)
			}
			t.Logf("%d rules cost %d of %d", rules, cost, crdLimit)
		})
	}
}

func TestNewerFunctionsAreUnknownThere(t *testing.T) {
	text := schema.Structural{Generic: schema.Generic{Type: "string"}}
	text.XValidations = v1.ValidationRules{{Rule: "isIP(self)"}}
	results, err := cel.Compile(&text, model.SchemaDeclType(&text, false), config.PerCallLimit, oldest, cel.NewExpressionsEnvLoader())
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Error == nil {
		t.Error("isIP is newer than 1.28, yet it compiled: this test proves nothing")
	}
}

// walk compiles the rules of s and of everything below it, each at most `times` times per object.
func walk(t *testing.T, s *schema.Structural, path string, root bool, times uint64) (int, uint64) {
	t.Helper()
	results, err := cel.Compile(s, model.SchemaDeclType(s, root), config.PerCallLimit, oldest, cel.NewExpressionsEnvLoader())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	count, total := 0, uint64(0)
	for i, result := range results {
		if result.Error != nil {
			t.Errorf("%s: %s: %s", path, s.XValidations[i].Rule, result.Error.Detail)
			continue
		}
		cost := result.MaxCost * times
		if cost > ruleLimit {
			t.Errorf("%s: %s: costs %d, the limit is %d", path, s.XValidations[i].Rule, cost, ruleLimit)
		}
		count, total = count+1, total+cost
	}
	below := func(child *schema.Structural, name string, most *int64) {
		n := times
		if most != nil {
			n *= uint64(*most)
		}
		c, sum := walk(t, child, path+name, false, n)
		count, total = count+c, total+sum
	}
	for name, property := range s.Properties {
		below(&property, "."+name, nil)
	}
	if s.Items != nil {
		below(s.Items, "[]", bound(s.ValueValidation, false))
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Structural != nil {
		below(s.AdditionalProperties.Structural, "[*]", bound(s.ValueValidation, true))
	}
	return count, total
}

func bound(validation *schema.ValueValidation, ofMap bool) *int64 {
	switch {
	case validation == nil:
		return nil
	case ofMap:
		return validation.MaxProperties
	default:
		return validation.MaxItems
	}
}

func readCRDs(t *testing.T) []v1.CustomResourceDefinition {
	t.Helper()
	text, err := os.ReadFile("../../dist/crds.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var crds []v1.CustomResourceDefinition
	for {
		var crd v1.CustomResourceDefinition
		if err := decoder.Decode(&crd); err != nil {
			return crds
		}
		if crd.Kind != "" {
			crds = append(crds, crd)
		}
	}
}
