// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package traffic

import "testing"

func TestAnswersAreReadAsTheyAreWritten(t *testing.T) {
	want := Answer{Host: "rack-a", Port: 8080}
	if got, err := ParseAnswer(want.String()); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, text := range []string{"", "rack-a", "rack-a 70000", "rack-a 80 90", "<html>not found</html>"} {
		if got, err := ParseAnswer(text); err == nil {
			t.Errorf("%q is taken for the answer %+v", text, got)
		}
	}
}
