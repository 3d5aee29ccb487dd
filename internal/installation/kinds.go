// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/openapi"

	"externalbackend.dev/operator/api/v1alpha1"
)

// kind is a kind of object that the operator works with.
type kind struct {
	name, resource string
	goType         reflect.Type
	ofCluster      bool // read only by an operator for all namespaces
}

var kinds = []kind{
	{"ExternalBackend", "externalbackends", reflect.TypeFor[v1alpha1.ExternalBackend](), false},
	{"ExternalBackendPolicy", "externalbackendpolicies", reflect.TypeFor[v1alpha1.ExternalBackendPolicy](), true},
	{"AWSIdentity", "awsidentities", reflect.TypeFor[v1alpha1.AWSIdentity](), true},
}

const upgradeCRDs = "apply the CRDs of this version: helm upgrade with crds.enabled, or kubectl apply --server-side -k config/crd"

// kinds finds out whether the CRDs are there, and know every field that this
// version does: the API server drops those that they do not know.
func (o Options) kinds() (findings []Finding) {
	served := map[string]bool{}
	list, err := o.Discovery.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil && !apierrors.IsNotFound(err) {
		return []Finding{{What: fmt.Sprintf("the API server does not say which kinds of %s it serves (%v)", v1alpha1.GroupVersion, err), Remedy: "try again"}}
	}
	if list != nil {
		for _, resource := range list.APIResources {
			served[resource.Name] = true
		}
	}
	schemas, err := schemasOf(o.Discovery.OpenAPIV3())
	if len(served) > 0 && err != nil {
		return []Finding{{What: fmt.Sprintf("the API server does not say which fields %s has (%v)", v1alpha1.GroupVersion, err), Remedy: "try again"}}
	}
	for _, k := range kinds {
		if k.ofCluster && len(o.Namespaces) > 0 {
			continue
		}
		if !served[k.resource] {
			findings = append(findings, Finding{What: k.name + " is not served", Remedy: upgradeCRDs})
			continue
		}
		var missing []string
		lacking(k.goType, schemas[k.name], "", &missing)
		switch {
		case len(missing) > 0:
			findings = append(findings, Finding{What: fmt.Sprintf("%s lacks %s", k.name, some(missing)), Remedy: upgradeCRDs})
		default:
			findings = append(findings, ok("%s is served, with every field of this version", k.name))
		}
	}
	return findings
}

// schema is what is looked at of the schema of a field.
type schema struct {
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	Values     *schema            `json:"additionalProperties"`
	Kinds      []struct {
		Kind string `json:"kind"`
	} `json:"x-kubernetes-group-version-kind"`
}

// schemasOf returns the schema of each kind of the operator's API.
func schemasOf(api openapi.Client) (map[string]*schema, error) {
	paths, err := api.Paths()
	if err != nil {
		return nil, err
	}
	path := paths["apis/"+v1alpha1.GroupVersion.String()]
	if path == nil {
		return nil, fmt.Errorf("it publishes no schema of %s", v1alpha1.GroupVersion)
	}
	text, err := path.Schema("application/json")
	if err != nil {
		return nil, err
	}
	var document struct {
		Components struct {
			Schemas map[string]*schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	byKind := map[string]*schema{}
	for _, s := range document.Components.Schemas {
		if len(s.Kinds) == 1 {
			byKind[s.Kinds[0].Kind] = s
		}
	}
	return byKind, nil
}

// own is where types come from whose fields are looked at: others are as old as
// every API server.
var own = reflect.TypeFor[v1alpha1.ExternalBackend]().PkgPath()

// lacking adds the fields of a type that its schema has not.
func lacking(t reflect.Type, s *schema, path string, missing *[]string) {
	if s == nil {
		*missing = append(*missing, strings.TrimPrefix(path, "."))
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		lacking(t.Elem(), s, path, missing)
	case reflect.Slice:
		lacking(t.Elem(), s.Items, path+"[]", missing)
	case reflect.Map:
		lacking(t.Elem(), s.Values, path+"{}", missing)
	case reflect.Struct:
		if t.PkgPath() != own {
			return
		}
		for field := range t.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" { // inline
				lacking(field.Type, s, path, missing)
				continue
			}
			lacking(field.Type, s.Properties[name], path+"."+name, missing)
		}
	default:
	}
}

// some shortens a list for a line.
func some(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}
