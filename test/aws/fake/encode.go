// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
)

// namespaces of the services whose answers are in XML.
var namespaces = map[string]string{
	"ec2":         "http://ec2.amazonaws.com/doc/2016-11-15/",
	"sts":         "https://sts.amazonaws.com/doc/2011-06-15/",
	"autoscaling": "http://autoscaling.amazonaws.com/doc/2011-01-01/",
}

// write sends the answer.
func (c *call) write(w http.ResponseWriter, result any, failed *failure, done damage) {
	status := http.StatusOK
	var body []byte
	switch {
	case failed != nil:
		status = failed.status
		body = c.encodeFailure(w.Header(), failed)
	case c.json():
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		body = must(json.Marshal(result))
	default:
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		body = c.encodeXML(result)
	}
	if done.bytes != nil {
		body = done.bytes(body)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (c *call) json() bool { return c.service == "sqs" || c.service == podIdentity }

// node is an element with others in it.
type node struct {
	XMLName xml.Name
	XMLNS   string `xml:"xmlns,attr,omitempty"`
	Content []any
}

func element(name string, content ...any) node {
	return node{XMLName: xml.Name{Local: name}, Content: content}
}

// text is an element with text in it.
type text struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

func leaf(name, value string) text { return text{XMLName: xml.Name{Local: name}, Value: value} }

// encodeXML wraps a result as its service does.
func (c *call) encodeXML(result any) []byte {
	var response node
	if c.service == "ec2" {
		response = element(c.operation+"Response", leaf("requestId", c.id), result)
	} else {
		response = element(c.operation+"Response",
			element(c.operation+"Result", result),
			element("ResponseMetadata", leaf("RequestId", c.id)))
	}
	response.XMLNS = namespaces[c.service]
	return append([]byte(xml.Header), must(xml.Marshal(response))...)
}

func (c *call) encodeFailure(header http.Header, f *failure) []byte {
	if c.json() {
		header.Set("Content-Type", "application/x-amz-json-1.0")
		kind := "Sender"
		if f.status >= 500 {
			kind = "Receiver"
		}
		header.Set("X-Amzn-Query-Error", f.code+";"+kind)
		return must(json.Marshal(map[string]string{"__type": "com.amazonaws.sqs#" + f.code, "message": f.message}))
	}
	header.Set("Content-Type", "text/xml;charset=UTF-8")
	var response node
	if c.service == "ec2" || c.service == "" {
		response = element("Response",
			element("Errors", element("Error", leaf("Code", f.code), leaf("Message", f.message))),
			leaf("RequestID", c.id))
	} else {
		response = element("ErrorResponse",
			element("Error", leaf("Type", "Sender"), leaf("Code", f.code), leaf("Message", f.message)),
			leaf("RequestId", c.id))
		response.XMLNS = namespaces[c.service]
	}
	return append([]byte(xml.Header), must(xml.Marshal(response))...)
}

func must(body []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return body
}
