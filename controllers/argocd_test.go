// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"slices"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// healthScript returns what docs/gitops.md gives Argo CD for a kind.
func healthScript(kind string) string {
	GinkgoHelper()
	for _, object := range documented("gitops.md") {
		if object.GetName() == "argocd-cm" {
			script, found, err := unstructured.NestedString(object.Object, "data", "resource.customizations.health.externalbackend.dev_"+kind)
			Expect(err).NotTo(HaveOccurred())
			Expect(found).To(BeTrue(), "no health script for %s", kind)
			return script
		}
	}
	Fail("docs/gitops.md has no argocd-cm")
	return ""
}

// argoHealth runs the health script of the object's kind in the interpreter that Argo
// CD has, with the object as obj and the libraries that it opens.
func argoHealth(object *unstructured.Unstructured) (status, message string) {
	GinkgoHelper()
	vm := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer vm.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
	} {
		Expect(vm.CallByParam(lua.P{Fn: vm.NewFunction(open), Protect: true}, lua.LString(name))).To(Succeed())
	}
	vm.SetGlobal("obj", luaValue(vm, object.Object))
	Expect(vm.DoString(healthScript(object.GetKind()))).To(Succeed())
	answer, ok := vm.Get(-1).(*lua.LTable)
	Expect(ok).To(BeTrue(), "the script returns a %s", vm.Get(-1).Type())
	return lua.LVAsString(answer.RawGetString("status")), lua.LVAsString(answer.RawGetString("message"))
}

// luaValue converts what JSON can hold.
func luaValue(vm *lua.LState, value any) lua.LValue {
	GinkgoHelper()
	switch v := value.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		list := vm.NewTable()
		for _, element := range v {
			list.Append(luaValue(vm, element))
		}
		return list
	case map[string]any:
		table := vm.NewTable()
		for key, field := range v {
			table.RawSetString(key, luaValue(vm, field))
		}
		return table
	}
	Fail("no value of JSON")
	return nil
}

var _ = DescribeTable("Tools that roll out take what they read at a bad moment",
	func(status map[string]any, deleted bool, want assessment) {
		for _, kind := range []string{"ExternalBackend", "AWSIdentity"} {
			object := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "externalbackend.dev/v1alpha1", "kind": kind,
				"metadata": map[string]any{"name": "payments", "generation": int64(2)},
			}}
			if status != nil {
				object.Object["status"] = status
			}
			if deleted {
				Expect(unstructured.SetNestedField(object.Object, "2026-01-01T00:00:00Z", "metadata", "deletionTimestamp")).To(Succeed())
			}
			made, _ := judge(object)
			Expect(made).To(Equal(want), kind)
		}
	},
	// The CustomResourceDefinition gives a status to whatever has none.
	Entry("before there is a default", nil, false, assessment{kstatus.CurrentStatus, "Progressing"}),
	Entry("without conditions", map[string]any{}, false, assessment{kstatus.CurrentStatus, "Progressing"}),
	Entry("with the default", ofGeneration(nil, "Ready", "Unknown"), false, inProgress),
	Entry("that was ready before an edit", ofGeneration(int64(1), "Ready", "True"), false, inProgress),
	Entry("that was stalled before an edit", ofGeneration(int64(1), "Ready", "False", "Stalled", "True"), false, inProgress),
	Entry("that is stalled", ofGeneration(int64(2), "Ready", "False", "Stalled", "True"), false, failed),
	Entry("that was stalled once", ofGeneration(int64(2), "Ready", "True", "Stalled", "False"), false, current),
	Entry("that is stalled and being deleted", ofGeneration(int64(2), "Ready", "False", "Stalled", "True"), true, terminating),
)

// ofGeneration is a status with conditions: of each the type and the status.
func ofGeneration(observed any, typesAndStatuses ...string) map[string]any {
	var conditions []any
	for pair := range slices.Chunk(typesAndStatuses, 2) {
		conditions = append(conditions, map[string]any{"type": pair[0], "status": pair[1], "reason": "Because", "message": "it is so"})
	}
	status := map[string]any{"conditions": conditions}
	if observed != nil {
		status["observedGeneration"] = observed
	}
	return status
}
