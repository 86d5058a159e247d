package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"aes67os/aes67d/config"
	"aes67os/aes67d/events"
	"aes67os/aes67d/netif"
	"aes67os/aes67d/remote"
	"aes67os/aes67d/session"
	"aes67os/driver"
)

// What the daemon gives an API.
var (
	_ Sessions      = (*session.Manager)(nil)
	_ Remote        = (*remote.Table)(nil)
	_ Configuration = (*config.Store)(nil)
)

// sessions stand in for the real ones: they keep to the few rules that the tests rely on.
type sessions struct {
	mu      sync.Mutex
	source  map[int]session.Source
	sink    map[int]session.Sink
	status  driver.StreamStatus
	ptp     driver.PTPStatus
	problem error
	// fails is what every command and question comes back with, if there is something.
	fails error
}

func check(id int) error {
	if id < 0 || id >= driver.MaxStreams {
		return fmt.Errorf("%w: ids are 0 to 63", session.ErrInvalidID)
	}
	return nil
}

func (s *sessions) Sources() []session.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.source), func(a, b session.Source) int { return cmp.Compare(a.ID, b.ID) })
}

func (s *sessions) Sinks() []session.Sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.sink), func(a, b session.Sink) int { return cmp.Compare(a.ID, b.ID) })
}

// numbers is an array of them as encoding/json indents it.
var numbers = regexp.MustCompile(`\[[\s\d,]+\]`)

func (s *sessions) AppendJSON(b []byte, sources, sinks bool) []byte {
	lists := struct {
		Sources []session.Source `json:"sources,omitzero"`
		Sinks   []session.Sink   `json:"sinks,omitzero"`
	}{}
	if sources {
		lists.Sources = append([]session.Source{}, s.Sources()...)
	}
	if sinks {
		lists.Sinks = append([]session.Sink{}, s.Sinks()...)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(lists); err != nil {
		panic(err) // of strings, numbers and booleans
	}
	onOneLine := func(array []byte) []byte { return bytes.Join(bytes.Fields(array), []byte(" ")) }
	return append(b, numbers.ReplaceAllFunc(text.Bytes(), onOneLine)...)
}

func (s *sessions) PutSource(_ context.Context, source session.Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.fails, check(source.ID)); err != nil {
		return err
	}
	for id, other := range s.source {
		if other.Name == source.Name && id != source.ID {
			return fmt.Errorf("%w: source %d has it", session.ErrNameInUse, id)
		}
	}
	if source.Address == "" {
		source.Address = fmt.Sprintf("239.1.0.%d", 1+source.ID)
	}
	s.source[source.ID] = source
	return nil
}

func (s *sessions) RemoveSource(_ context.Context, id int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.fails, check(id)); err != nil {
		return err
	}
	if _, ok := s.source[id]; !ok {
		return session.ErrNotInUse
	}
	delete(s.source, id)
	return nil
}

func (s *sessions) SourceSDP(id int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	source, ok := s.source[id]
	if !ok {
		return "", cmp.Or(s.fails, check(id), fmt.Errorf("%w: there is no source %d", session.ErrNotInUse, id))
	}
	return fmt.Sprintf("v=0\r\ns=%s\r\n", source.Name), nil
}

func (s *sessions) PutSink(_ context.Context, sink session.Sink) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.fails, check(sink.ID)); err != nil {
		return err
	}
	s.sink[sink.ID] = sink
	return nil
}

func (s *sessions) RemoveSink(_ context.Context, id int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.fails, check(id)); err != nil {
		return err
	}
	if _, ok := s.sink[id]; !ok {
		return session.ErrNotInUse
	}
	delete(s.sink, id)
	return nil
}

// SinkStatus tells the errors set in s.status once, as a driver does.
func (s *sessions) SinkStatus(_ context.Context, id int) (driver.StreamStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.sink[id]; !ok || s.fails != nil {
		return driver.StreamStatus{}, cmp.Or(s.fails, check(id), session.ErrNotInUse)
	}
	status := s.status
	s.status = driver.StreamStatus{Receiving: status.Receiving, Muted: status.Muted, MinimumTime: status.MinimumTime}
	return status, nil
}

func (s *sessions) PTPStatus() driver.PTPStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ptp
}

func (s *sessions) DriverState() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "fake", s.problem
}

// set changes what s tells, while others may ask.
func (s *sessions) set(change func(*sessions)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// table stands in for the sources others announce.
type table []remote.Source

func (t table) Sources(kind string) []remote.Source {
	var list []remote.Source
	for _, s := range t {
		if kind == "all" || kind == "sap" && s.Source == "SAP" || kind == "mdns" && s.Source == "mDNS" {
			list = append(list, s)
		}
	}
	return list
}

func interfaces() ([]netif.Interface, error) {
	return []netif.Interface{{
		Name: "eth0", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.1.10/24")}, Multicast: true,
	}}, nil
}

// newAPI returns an API with one source, one sink, and two remote sources.
func newAPI(t testing.TB) (*API, *sessions) {
	t.Helper()
	s := &sessions{
		source: map[int]session.Source{3: {
			ID: 3, Enabled: true, Name: "Stage <left> & \"right\"", IO: "Audio Device", MaxSamplesPerPacket: 48, Codec: driver.L24,
			Address: "239.1.0.4", TTL: 15, PayloadType: 98, DSCP: 34, RefClockTraceable: true, Map: []int{0, 1},
		}},
		sink: map[int]session.Sink{5: {
			ID: 5, Name: "Foldback über 5", IO: "Audio Device", UseSDP: true, Source: "rtsp://192.168.1.7/by-id/1",
			SDP: "v=0\r\no=- 1 0 IN IP4 192.168.1.7\r\n", Delay: 576, IgnoreRefClock: true, Map: []int{6},
		}},
		status: driver.StreamStatus{SequenceError: true, Receiving: true, MinimumTime: -12},
		ptp:    driver.PTPStatus{Lock: driver.Locked, Grandmaster: driver.ClockID{0, 0x1d, 0xc1, 0xff, 0xfe, 0x50, 0x36, 0x33}, Jitter: 7},
	}
	store, err := config.Open(filepath.Join(t.TempDir(), "daemon.conf"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &API{
		Version:  "1.2.3",
		Sessions: s,
		Remote: table{
			{Source: "SAP", ID: "d00000a611d", Name: "One", Address: "10.0.0.13", SDP: "v=0\r\n", LastSeen: 12, AnnouncePeriod: 30},
			{Source: "mDNS", ID: "rtsp:1234", Name: "Two", Domain: "local", Address: "10.0.0.14", SDP: "v=0\r\n", LastSeen: 3, AnnouncePeriod: 30},
		},
		Config:     store,
		Interfaces: interfaces,
		Events:     events.NewBus(),
		Done:       t.Context().Done(),
		Log:        slog.New(slog.DiscardHandler),
	}, s
}

// A source and a sink as clients of the known daemon put them.
const (
	sourceBody = `{"enabled": true, "name": "ALSA 0", "io": "Audio Device", "map": [0, 1], "max_samples_per_packet": 48, "codec": "L16",
		"address": "", "ttl": 15, "payload_type": 98, "dscp": 34, "refclk_ptp_traceable": false}`
	sinkBody = `{"name": "ALSA 0", "io": "Audio Device", "source": "", "use_sdp": true, "sdp": "v=0\n", "delay": 1024,
		"ignore_refclk_gmid": true, "map": [0, 1]}`
)

// without returns a body without one of its members.
func without(t *testing.T, body, member string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
	if _, ok := members[member]; !ok {
		t.Fatalf("there is no %s to leave out", member)
	}
	delete(members, member)
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
