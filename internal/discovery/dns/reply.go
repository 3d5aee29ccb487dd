// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"errors"
	"strings"

	wire "github.com/miekg/dns"
)

const (
	headerSize = 12 // RFC 1035, 4.1.1
	// maxNames is how many names may have records of the types that count. On the
	// way to an answer there are 17.
	maxNames = 64
	// maxReaders is how many replies are read at a time: the largest take megabytes
	// until it is clear what they say.
	maxReaders = 4
)

// errTruncated asks for TCP, errTooOld for a query without EDNS0, and errBogus
// stands for replies that are none.
var (
	errTruncated = errors.New("the reply is truncated")
	errTooOld    = errors.New("the server does not understand the query")
	errBogus     = errors.New("the reply is not one to this query")
	errCut       = errors.New("the reply has fewer records than it says, or other ones")
)

var readers = make(chan struct{}, maxReaders)

// reply is what counts of a reply.
type reply struct {
	rcode int
	// vouched: the server knows the zone, or asks those that do.
	vouched bool
	// answer has the records of the type asked for and those of type CNAME,
	// authority the first of type SOA and NS. All are of class IN.
	answer, authority []wire.RR
	// others: the answer section has other records.
	others bool
}

// read returns the answer in a message: errBogus for what anybody could have sent,
// errTruncated, errTooOld, or another error for what cannot be read.
func read(query *wire.Msg, message []byte, q Question) (answer, error) {
	readers <- struct{}{}
	defer func() { <-readers }()
	r, err := unpack(query, message)
	if err != nil {
		return answer{}, err
	}
	if r.rcode == wire.RcodeFormatError || r.rcode == wire.RcodeNotImplemented {
		return answer{}, errTooOld
	}
	return parse(r, q), nil
}

// unpack takes a message apart. It must have all the records that its header
// announces, or something may be missing; only those that count are read.
func unpack(query *wire.Msg, message []byte) (*reply, error) {
	const response, truncated, authoritative, recursive = 1 << 7, 1 << 1, 1 << 2, 1 << 7
	if len(message) < headerSize || binary.BigEndian.Uint16(message) != query.Id || message[2]&response == 0 {
		return nil, errBogus
	}
	if message[2]&truncated != 0 {
		return nil, errTruncated
	}
	r := &reply{rcode: int(message[3] & 0xf), vouched: message[2]&authoritative != 0 || message[3]&recursive != 0}
	u := &unpacker{message: message, at: headerSize, names: map[string]string{}}
	if err := u.question(query, r.rcode); err != nil {
		return nil, err
	}
	if r.rcode != wire.RcodeSuccess && r.rcode != wire.RcodeNameError {
		return r, nil // whatever follows
	}
	return r, u.sections(r, query.Question[0].Qtype)
}

// unpacker reads a message from front to back.
type unpacker struct {
	message []byte
	at      int
	names   map[string]string // the text of names, by what they are on the wire
}

// question returns errBogus if a reply does not repeat the question. Only one that
// tells nothing about the name may do without (RFC 6891, 7).
func (u *unpacker) question(query *wire.Msg, rcode int) error {
	questions := binary.BigEndian.Uint16(u.message[4:])
	if questions == 0 || len(u.message) == headerSize {
		if rcode == wire.RcodeSuccess || rcode == wire.RcodeNameError {
			return errBogus
		}
		return nil
	}
	name, at, err := wire.UnpackDomainName(u.message, u.at)
	if err != nil || len(u.message)-at < 4 {
		return errCut
	}
	u.at = at + 4
	sent := query.Question[0]
	same := questions == 1 && int(u.message[2]>>3&0xf) == query.Opcode && strings.EqualFold(name, sent.Name) &&
		binary.BigEndian.Uint16(u.message[at:]) == sent.Qtype && binary.BigEndian.Uint16(u.message[at+2:]) == sent.Qclass
	if !same {
		return errBogus
	}
	return nil
}

func (u *unpacker) sections(r *reply, asked uint16) error {
	counts := u.message[6:headerSize]
	for range binary.BigEndian.Uint16(counts) {
		record, err := u.record(asked, wire.TypeCNAME)
		if err != nil {
			return err
		}
		if record == nil {
			r.others = true
		} else {
			r.answer = append(r.answer, record)
		}
	}
	for range binary.BigEndian.Uint16(counts[2:]) {
		record, err := u.record(wire.TypeSOA, wire.TypeNS)
		if err != nil {
			return err
		}
		if record != nil && len(r.authority) < maxNames {
			r.authority = append(r.authority, record)
		}
	}
	for range binary.BigEndian.Uint16(counts[4:]) {
		h, _, err := u.header()
		if err != nil {
			return err
		}
		if h.Rrtype == wire.TypeOPT { // RFC 6891, 6.1.3
			r.rcode |= int(h.Ttl>>24) << 4
		}
	}
	return nil
}

// header reads a record's header but for its name, whose offset it returns, and goes
// on behind the data.
func (u *unpacker) header() (h wire.RR_Header, name int, err error) {
	name = u.at
	if u.at, err = u.behindName(name); err != nil {
		return h, name, err
	}
	const size = 10
	if len(u.message)-u.at < size {
		return h, name, errCut
	}
	b := u.message[u.at:]
	h = wire.RR_Header{
		Rrtype: binary.BigEndian.Uint16(b), Class: binary.BigEndian.Uint16(b[2:]),
		Ttl: binary.BigEndian.Uint32(b[4:]), Rdlength: binary.BigEndian.Uint16(b[8:]),
	}
	if u.at += size + int(h.Rdlength); u.at > len(u.message) {
		return h, name, errCut
	}
	return h, name, nil
}

// behindName returns the offset behind a name.
func (u *unpacker) behindName(at int) (int, error) {
	for at < len(u.message) {
		c := int(u.message[at])
		switch {
		case c == 0:
			return at + 1, nil
		case c >= 0xc0: // a pointer
			return at + 2, nil
		case c > 63:
			return 0, errCut
		}
		at += 1 + c
	}
	return 0, errCut
}

// record reads one of two types, or returns nil for others.
func (u *unpacker) record(one, other uint16) (wire.RR, error) {
	h, name, err := u.header()
	if err != nil || h.Class != wire.ClassINET || h.Rrtype != one && h.Rrtype != other {
		return nil, err
	}
	if h.Name, err = u.name(name); err != nil {
		return nil, err
	}
	data := u.at - int(h.Rdlength)
	switch h.Rrtype {
	case wire.TypeNS: // which says all by being there
		return &wire.NS{Hdr: h}, nil
	case wire.TypeSOA: // of which the last number counts
		if h.Rdlength < 4 {
			return nil, errCut
		}
		return &wire.SOA{Hdr: h, Minttl: binary.BigEndian.Uint32(u.message[u.at-4:])}, nil
	case wire.TypeCNAME:
		if end, err := u.behindName(data); err != nil || end != u.at {
			return nil, errCut
		}
		target, err := u.name(data)
		return &wire.CNAME{Hdr: h, Target: target}, err
	default:
		record, end, err := wire.UnpackRRWithHeader(h, u.message, data)
		if err == nil && end != u.at {
			err = errCut
		}
		return record, err
	}
}

// name returns the text of the name at an offset, the same for the same name: it
// may be much longer than on the wire, where a name is two bytes if it was there
// before.
func (u *unpacker) name(at int) (string, error) {
	var labels [maxName + 2]byte
	n, pointers := 0, 0
	for from := at; ; {
		if from >= len(u.message) {
			return "", errCut
		}
		c := int(u.message[from])
		switch {
		case c == 0:
			return u.text(at, labels[:n])
		case c >= 0xc0:
			if pointers++; from+1 >= len(u.message) || pointers > maxName/2 {
				return "", errCut
			}
			from = c&0x3f<<8 | int(u.message[from+1])
		case c > 63 || from+1+c > len(u.message) || n+1+c > len(labels):
			return "", errCut
		default:
			n += copy(labels[n:], u.message[from:from+1+c])
			from += 1 + c
		}
	}
}

func (u *unpacker) text(at int, labels []byte) (string, error) {
	if text, ok := u.names[string(labels)]; ok {
		return text, nil
	}
	if len(u.names) == maxNames {
		return "", errors.New("the reply has records of too many names")
	}
	text, _, err := wire.UnpackDomainName(u.message, at)
	u.names[string(labels)] = text
	return text, err
}
