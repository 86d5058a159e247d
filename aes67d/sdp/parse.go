package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	pion "github.com/pion/sdp/v3"
)

// What stands for an origin and a name in a description without.
const (
	noOrigin = "- 0 0 IN IP4 0.0.0.0"
	noName   = "-" // RFC 8866 §5.3
)

// Parse reads a description. The warnings tell of what was passed over or guessed, each
// with the line it is about; they do not keep a stream from being played. The error
// tells why there is no stream that could be.
func Parse(b []byte) (d Description, warnings []string, err error) {
	if len(b) > maxSize {
		return Description{}, nil, fmt.Errorf("%d bytes are too long for a description: at most %d", len(b), maxSize)
	}
	r := &reader{}
	d, err = r.read(b)
	if err != nil {
		return Description{}, r.warnings, err
	}
	return d, r.warnings, nil
}

// reader collects what is to be said about a description.
type reader struct {
	warnings []string
	// refused is why the first audio stream that cannot be played cannot, and
	// refusedLine is its m= line.
	refused     error
	refusedLine string
}

// warn notes what is wrong with a line.
func (r *reader) warn(line, format string, args ...any) {
	if len(r.warnings) == maxWarnings {
		return
	}
	r.warnings = append(r.warnings, fmt.Sprintf("%q: ", cut(line))+fmt.Sprintf(format, args...))
}

// refuse notes why a stream cannot be played. It is an error if there is no other, and
// else a warning.
func (r *reader) refuse(line string, err error) {
	if r.refused != nil {
		r.warn(line, "passed over: %v", err)
		return
	}
	r.refused, r.refusedLine = err, line
}

func (r *reader) read(b []byte) (Description, error) {
	text, err := r.normalise(b)
	if err != nil {
		return Description{}, err
	}
	var s pion.SessionDescription
	if err := s.UnmarshalString(text); err != nil {
		return Description{}, fmt.Errorf("not a session description: %w", err)
	}
	d := Description{Origin: readOrigin(s.Origin), Name: clean(string(s.SessionName))}
	if d.Name == noName {
		d.Name = ""
	}
	var found []candidate
	for _, m := range s.MediaDescriptions {
		streams, err := r.streams(&s, m)
		if err != nil {
			r.refuse("m="+m.MediaName.String(), err)
			continue
		}
		found = append(found, candidate{m, streams})
	}
	if len(found) == 0 && r.refused != nil {
		return Description{}, fmt.Errorf("%q: %w", cut(r.refusedLine), r.refused)
	}
	if len(found) == 0 {
		return Description{}, errors.New("no RTP audio stream in the description")
	}
	if r.refused != nil {
		r.warn(r.refusedLine, "passed over: %v", r.refused)
	}
	chosen := r.pick(&s, found)
	d.Streams = chosen.streams
	if s.SessionInformation != nil {
		d.Info = clean(string(*s.SessionInformation))
	}
	if d.Info == "" && chosen.media.MediaTitle != nil {
		d.Info = clean(string(*chosen.media.MediaTitle))
	}
	return d, nil
}

// candidate is an m= line and its one or two streams.
type candidate struct {
	media   *pion.MediaDescription
	streams []Stream
}

// pick returns the streams to play of those found: the two of a DUP group (RFC 7104),
// or else the first.
func (r *reader) pick(s *pion.SessionDescription, found []candidate) candidate {
	chosen := found[0]
	rest := found[1:]
	if pair, ok := duplicates(s, found); ok {
		a, b := pair[0], pair[1]
		if !a.streams[0].sameFormat(b.streams[0]) {
			r.warn("a=group:DUP", "passed over: codec, rate or channels of the two streams differ")
		} else {
			chosen = candidate{a.media, []Stream{a.streams[0], b.streams[0]}}
			rest = slices.DeleteFunc(slices.Clone(found), func(c candidate) bool {
				return c.media == a.media || c.media == b.media
			})
		}
	}
	for _, other := range rest {
		r.warn("m="+other.media.MediaName.String(), "passed over: another stream goes before it")
	}
	return chosen
}

// duplicates finds the streams that an a=group:DUP says carry the same, in its order.
// Talkers that forget to name their streams (a=mid) mean the first two.
func duplicates(s *pion.SessionDescription, found []candidate) (pair [2]candidate, ok bool) {
	for _, group := range values(s.Attributes, "group") {
		names := strings.Fields(group)
		if len(names) == 0 || names[0] != "DUP" || len(found) < 2 {
			continue
		}
		var named []candidate
		unnamed := true
		for _, name := range names[1:] {
			for _, c := range found {
				mids := values(c.media.Attributes, "mid")
				unnamed = unnamed && len(mids) == 0
				if slices.Contains(mids, name) {
					named = append(named, c)
				}
			}
		}
		if unnamed {
			named = found
		}
		if len(named) >= 2 && named[0].media != named[1].media {
			return [2]candidate(named[:2]), true
		}
	}
	return pair, false
}

func readOrigin(o pion.Origin) Origin {
	// A host name is as good as no address: it says nothing about who it is here.
	address, err := netip.ParseAddr(o.UnicastAddress)
	if err != nil {
		address = netip.Addr{}
	}
	if o.String() == noOrigin {
		return Origin{}
	}
	return Origin{
		Username:  o.Username,
		SessionID: fmt.Sprint(o.SessionID),
		Version:   o.SessionVersion,
		Address:   address.Unmap().WithZone(""),
	}
}

// values returns those of the attributes of a name.
func values(attributes []pion.Attribute, name string) []string {
	var v []string
	for _, a := range attributes {
		if strings.EqualFold(a.Key, name) {
			v = append(v, strings.TrimSpace(a.Value))
		}
	}
	return v
}

// clean returns s as it may be shown: devices whose names are not UTF-8, or have control
// characters in them, exist.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\ufffd")))
}

// printable tells whether s is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// cut shortens what is quoted from the network in errors and warnings.
func cut(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
