package mdns

import (
	"net/netip"
	"strconv"

	"github.com/miekg/dns"
)

// domain is where all names live (RFC 6762 §3).
const domain = "local."

// claim is a name that we want to be ours alone, with what hangs on it. It is the
// same on every link; how far it has come is the link's [progress].
type claim struct {
	// wish is the label asked for, unescaped.
	wish string
	// attempt counts names tried: 1 is wish itself, 2 is "wish-2".
	attempt int
	// service is nil for the host's own name.
	service *Service
}

// label is the first label of the name claimed now, unescaped and at most 63 bytes
// (RFC 1035 §2.3.4).
func (c *claim) label() string {
	if c.attempt < 2 {
		return cut(c.wish, maxLabel)
	}
	suffix := "-" + strconv.Itoa(c.attempt)
	return cut(c.wish, maxLabel-len(suffix)) + suffix
}

// name is the name claimed now.
func (c *claim) name() string {
	if c.service == nil {
		return escapeLabel(c.label()) + "." + domain
	}
	return escapeLabel(c.label()) + "." + c.service.Type + "." + domain
}

// records are what the claim stands for on a link with these addresses. host is the
// claim of the host's name.
func (c *claim) records(host *claim, addresses []netip.Prefix) []*record {
	if c.service == nil {
		return c.hostRecords(addresses)
	}
	return c.serviceRecords(host.name())
}

func (c *claim) hostRecords(addresses []netip.Prefix) []*record {
	var list []*record
	for _, a := range addresses {
		list = append(list, &record{unique: true, rr: &dns.A{
			Hdr: header(c.name(), dns.TypeA, hostTTL), A: a.Addr().AsSlice(),
		}})
	}
	return append(list, none(c.name(), hostTTL, dns.TypeA))
}

func (c *claim) serviceRecords(host string) []*record {
	s, name := c.service, c.name()
	kind := s.Type + "." + domain
	text := s.Text
	if len(text) == 0 {
		text = []string{""} // RFC 6763 §6.1: a TXT record is never without a string
	}
	list := []*record{
		{unique: true, rr: &dns.SRV{Hdr: header(name, dns.TypeSRV, hostTTL), Port: s.Port, Target: host}},
		{unique: true, rr: &dns.TXT{Hdr: header(name, dns.TypeTXT, otherTTL), Txt: escapeText(text)}},
		none(name, hostTTL, dns.TypeTXT, dns.TypeSRV),
		pointer(kind, name),
		pointer("_services._dns-sd._udp."+domain, kind), // RFC 6763 §9
	}
	for _, sub := range s.Subtypes {
		list = append(list, pointer(subtype(sub, kind), name))
	}
	return list
}

// subtype is the name under which instances of a subtype of kind are listed (RFC
// 6763 §7.1).
func subtype(sub, kind string) string { return sub + "._sub." + kind }

// pointer is a record that others may have too.
func pointer(from, to string) *record {
	return &record{rr: &dns.PTR{Hdr: header(from, dns.TypePTR, otherTTL), Ptr: to}}
}

// escapeText returns the strings of a TXT record, each cut to 255 bytes (RFC 6763 §6.1).
func escapeText(text []string) []string {
	escaped := make([]string, len(text))
	for i, s := range text {
		escaped[i] = escape(cut(s, 255), `"\`)
	}
	return escaped
}
