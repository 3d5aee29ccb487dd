// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestHeadsAsOthersReadThem: a response whose head is read line by line is the one
// that net/http reads from the same bytes, or an error where that is one.
func TestHeadsAsOthersReadThem(t *testing.T) {
	const ok, end = "HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n\r\nok, and more"
	long := strings.Repeat("a", 1<<10)
	heads := map[string]string{
		"a length":                     ok + end,
		"no length":                    ok + "\r\nok",
		"line feeds only":              "HTTP/1.1 200 OK\nX: y\nContent-Length: 2\n\nok",
		"a blank before the colon":     ok + "Content-Length : 2\r\n\r\nok, and more",
		"a tab before the colon":       ok + "X\t: 2\r\n" + end,
		"a blank within a name":        ok + "X Y: 2\r\n" + end,
		"no name":                      ok + ": x\r\n" + end,
		"a name that is no token":      ok + "X(: y\r\n" + end,
		"a name beyond ASCII":          ok + "Tran\u017ffer-Encoding: chunked\r\n" + end,
		"a control byte in a name":     ok + "X\x01: y\r\n" + end,
		"a control byte in a value":    ok + "X: a\x01b\r\n" + end,
		"a control byte further on":    ok + "X: a\r\n b\x7f\r\n" + end,
		"a control byte in a length":   ok + "Content-Length: 2\x00\r\n\r\nok",
		"a carriage return in a value": ok + "X: a\rb\r\n" + end,
		"one too many":                 ok + "X: a\r\r\n" + end,
		"a value beyond ASCII":         ok + "X: \tä\xff\r\n" + end,
		"no colon":                     ok + "X\r\n" + end,
		"no colon at first":            ok + "X\r\n : y\r\n" + end,
		"a long name":                  ok + long + "a: y\r\n" + end,
		"a name of a bufferful":        ok + long + ": y\r\n" + end,
		"a very long name":             ok + strings.Repeat(long, 3) + ": y\r\n" + end,
		"a long name that is no token": ok + long + "(: y\r\n" + end,
		"a long line without a colon":  ok + long + "a\r\n" + end,
		"a long name that goes on":     ok + long + "\r\n : y\r\n" + end,
		"a long value":                 ok + "X: " + long + "\r\n" + end,
		"a long value, control byte":   ok + "X: " + long + "\x01\r\n" + end,
		"a long value that goes on":    ok + "X: " + long + "\r\n Content-Length: 9\r\n" + end,
		"it goes on with blanks":       ok + "X: y\r\n \r\n" + end,
		"a length goes on":             ok + "Content-Length:\r\n 2\r\n\r\nok, and more",
		"it goes on at first":          ok + " X: y\r\n" + end,
		"two lengths":                  ok + "Content-Length: 2\r\n" + end,
		"contradicting lengths":        ok + "Content-Length: 3\r\n" + end,
		"chunks":                       ok + "transfer-encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
		"chunks in HTTP/1.0":           "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nok",
		"another encoding":             ok + "Transfer-Encoding: gzip, chunked\r\n\r\nok",
	}
	for n := 1000; n < 1040; n++ { // around the end of what is read at a time
		value := ok + "X: " + strings.Repeat("a", n)
		heads[fmt.Sprintf("a value of %d bytes", n)] = value + "\r\n" + end
		heads[fmt.Sprintf("a carriage return after %d bytes", n)] = value + "\rb\r\n" + end
	}
	for name, raw := range heads {
		t.Run(name, func(t *testing.T) {
			response, _ := http.ReadResponse(bufio.NewReader(strings.NewReader(raw)), &http.Request{Method: http.MethodGet})
			want := read(response)
			client, server := net.Pipe()
			defer client.Close()
			go func() {
				_, _ = io.WriteString(server, raw)
				_ = server.Close()
			}()
			r := responseReaders.Get().(*responseReader)
			defer r.release()
			r.reset(client)
			response, f := (&httpExchange{request: http.Request{Method: http.MethodGet}}).readHeader(t.Context(), r)
			if got := read(response); got != want {
				t.Errorf("got %s %s, want %s", got, f.reason, want)
			}
		})
	}
}

// read says what there is to read in a response, if there is one.
func read(response *http.Response) string {
	if response == nil {
		return "no response"
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %q %v", response.StatusCode, body, err)
}
