// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// schema is a CRD's schema, flattened: a node for each path such as
// spec.ports[*].port. The root is "".
type schema map[string]*apiextensionsv1.JSONSchemaProps

func readSchema(file string) schema {
	GinkgoHelper()
	text, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	var definition apiextensionsv1.CustomResourceDefinition
	Expect(yaml.UnmarshalStrict(text, &definition)).To(Succeed())
	Expect(definition.Spec.Versions).To(HaveLen(1), "the suite proves one version")
	nodes := schema{}
	nodes.add("", definition.Spec.Versions[0].Schema.OpenAPIV3Schema)
	return nodes
}

func (s schema) add(path string, node *apiextensionsv1.JSONSchemaProps) {
	s[path] = node
	for name := range node.Properties {
		s.add(join(path, name), new(node.Properties[name]))
	}
	if node.Items != nil {
		s.add(path+"[*]", node.Items.Schema)
	}
	if node.AdditionalProperties != nil {
		s.add(path+"[*]", node.AdditionalProperties.Schema)
	}
}

func (s schema) paths() []string { return slices.Sorted(maps.Keys(s)) }

func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

var (
	listIndex = regexp.MustCompile(`\[\d+\]`)
	mapKey    = regexp.MustCompile(`^(spec\.(?:service\.template\.(?:labels|annotations)|(?:namespaceSelector|allowedNamespaces)\.matchLabels|role\.sessionTags|allow\.ec2\.requiredTags))[.[].+$`)
)

// place turns the path of a value into the path of its schema node.
func place(path string) string {
	return mapKey.ReplaceAllString(listIndex.ReplaceAllString(path, "[*]"), "$1[*]")
}

// constraint is one thing that a schema demands of a value.
type constraint struct {
	node    string // path of the schema node that has it
	keyword string
	cause   cause // what a user reads when it is violated
	met     func(values []any) bool
}

func (c constraint) String() string {
	return fmt.Sprintf("%s of %s (%s: %s)", c.keyword, c.node, c.cause.Field, c.cause.Message)
}

// constraints returns all that is demanded of the values at a path. Its
// function met says whether values that were accepted there go to the limit.
func (s schema) constraints(path string) (list []constraint) {
	node := s[path]
	add := func(keyword, field, message string, met func([]any) bool) {
		list = append(list, constraint{path, keyword, cause{field, message}, met})
	}
	number := func(keyword string, limit *float64, message string) {
		if limit != nil {
			add(keyword, path, fmt.Sprintf(message, *limit),
				func(values []any) bool { return slices.Contains(numbers(values), *limit) })
		}
	}
	size := func(keyword string, limit *int64, message string) {
		if limit != nil && *limit > 0 {
			add(keyword, path, fmt.Sprintf(message, *limit), func(values []any) bool { return slices.Contains(sizes(values), *limit) })
		}
	}
	number("minimum", node.Minimum, "should be greater than or equal to %g")
	number("maximum", node.Maximum, "should be less than or equal to %g")
	size("minLength", node.MinLength, "should be at least %d chars long")
	size("maxLength", node.MaxLength, "may not be more than %d bytes")
	size("minItems", node.MinItems, "should have at least %d items")
	size("maxItems", node.MaxItems, "must have at most %d items")
	size("maxProperties", node.MaxProperties, "must have at most %d items")
	if node.Pattern != "" {
		add("pattern", path, "should match '"+node.Pattern+"'", some)
	}
	if len(node.Enum) > 0 {
		add("enum", path, "supported values: ", func(values []any) bool { return distinct(values) == len(node.Enum) })
	}
	for _, name := range node.Required {
		add("required", join(path, name), "Required value", some)
	}
	if kind := node.XListType; kind != nil && *kind != "atomic" {
		add("unique items", path+"[*]", "Duplicate value",
			func(values []any) bool {
				return slices.ContainsFunc(sizes(values), func(size int64) bool { return size > 1 })
			})
	}
	for _, rule := range node.XValidations {
		add("rule", strings.TrimPrefix(path+rule.FieldPath, "."), rule.Message, some)
	}
	return list
}

func some(values []any) bool { return len(values) > 0 }

func numbers(values []any) []float64 {
	var list []float64
	for _, v := range values {
		switch v := v.(type) {
		case int64:
			list = append(list, float64(v))
		case float64:
			list = append(list, v)
		}
	}
	return list
}

func sizes(values []any) []int64 {
	var list []int64
	for _, v := range values {
		switch v := v.(type) {
		case string:
			list = append(list, int64(len(v)))
		case []any:
			list = append(list, int64(len(v)))
		case map[string]any:
			list = append(list, int64(len(v)))
		}
	}
	return list
}

func distinct(values []any) int {
	seen := map[any]bool{}
	for _, v := range values {
		seen[v] = true
	}
	return len(seen)
}

// visit calls f for a value and all values in it, with their paths.
func visit(path string, value any, f func(path string, value any)) {
	f(path, value)
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			visit(join(path, name), v, f)
		}
	case []any:
		for i, v := range value {
			visit(fmt.Sprintf("%s[%d]", path, i), v, f)
		}
	}
}
