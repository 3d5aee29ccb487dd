// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

// The same thing has other names in other services.

func (c *call) unsigned(err error) *failure {
	if c.service == "ec2" {
		return fail(401, "AuthFailure", "AWS was not able to validate the provided access credentials: "+err.Error())
	}
	return fail(403, "MissingAuthenticationToken", "Request is missing Authentication Token: "+err.Error())
}

func (c *call) unknownKey() *failure {
	switch c.service {
	case "ec2":
		return fail(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
	case "sqs":
		return fail(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	return fail(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
}

func (c *call) wrongSignature(why string) *failure {
	switch c.service {
	case "ec2":
		return fail(401, "AuthFailure", "AWS was not able to validate the provided access credentials: "+why)
	case "sqs":
		return fail(403, "InvalidSignatureException", why)
	}
	return fail(403, "SignatureDoesNotMatch", why)
}

func (c *call) expired() *failure {
	switch c.service {
	case "ec2":
		return fail(400, "RequestExpired", "Request has expired.")
	case "sqs":
		return fail(403, "ExpiredTokenException", "The security token included in the request is expired")
	}
	return fail(403, "ExpiredToken", "The security token included in the request is expired")
}

func (c *call) throttled() *failure {
	switch c.service {
	case "ec2":
		return fail(503, "RequestLimitExceeded", "Request limit exceeded.")
	case "sqs":
		return fail(400, "ThrottlingException", "Rate exceeded")
	}
	return fail(400, "Throttling", "Rate exceeded")
}

func (c *call) denied(resource string) *failure {
	who := "(unsigned)"
	if c.by != nil {
		who = c.by.arn
	}
	text := "User: " + who + " is not authorized to perform: " + c.service + ":" + c.operation
	if resource != "" {
		text += " on resource: " + resource
	}
	switch c.service {
	case "ec2":
		return fail(403, "UnauthorizedOperation",
			"You are not authorized to perform this operation. "+text+" because no identity-based policy allows the ec2:"+c.operation+" action")
	case "sqs":
		return fail(403, "AccessDeniedException", text)
	}
	return fail(403, "AccessDenied", text)
}
