// Package remote keeps the table of the sources that others announce, by SAP and by
// mDNS with RTSP.
//
// It knows neither network. Whoever listens to SAP tells it what was announced and
// deleted ([Table.Announced], [Table.Deleted]); whoever browses DNS-SD tells it which
// instances of RAVENNA sessions there are ([Table.Found], [Table.Lost]). While an
// instance is there, the table follows it by RTSP: it asks for the SDP, stays
// connected to hear of changes, and connects again when the connection ends.
//
//   - remote.go: the table as users of the API see it.
//   - sap.go: sources announced by SAP, and when one is taken for gone.
//   - instance.go: sources found by mDNS.
//   - describe.go: the few lines of an SDP that matter here.
//
// One source announced both ways is in the table twice, as users of the known daemon
// have it: they choose by which way a sink is kept up to date.
package remote

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"aes67os/aes67d/rtsp"
)

// Limits to what others can make the table hold.
const (
	maxSources   = 4096 // by SAP
	maxInstances = 1024 // by mDNS; each is a connection
)

// expireEvery is how often sources are looked at that may have gone.
const expireEvery = 10 * time.Second

// Source is a source that another host announces, with the JSON members, in their
// order, that the REST API has for it.
type Source struct {
	// Source is how it was found: "SAP" or "mDNS".
	Source string `json:"source"`
	// ID is unique in the table. That of a source by SAP stays as long as the hash
	// of its announcements, that of one by mDNS as long as its SDP.
	ID string `json:"id"`
	// Name is the session's name in the SDP (SAP) or the instance's (mDNS).
	Name string `json:"name"`
	// Domain is the instance's, such as "local"; empty for SAP.
	Domain string `json:"domain"`
	// Address is the origin of the announcement, or where RTSP is answered.
	Address string `json:"address"`
	SDP     string `json:"sdp"`
	// LastSeen is how many seconds ago it was last announced, or described by RTSP.
	LastSeen int64 `json:"last_seen"`
	// AnnouncePeriod is the time in seconds between the last two announcements by
	// SAP; of a source announced once, the interval that is configured here.
	AnnouncePeriod int64 `json:"announce_period"`
}

// entry is a source in the table.
type entry struct {
	Source
	session session
	seen    time.Time
	period  time.Duration
}

// Table holds the sources there are. Make it with [New]; its methods are safe for
// concurrent use.
type Table struct {
	log     *slog.Logger
	changed func()
	wake    chan struct{}
	// follow is [rtsp.Follow].
	follow func(ctx context.Context, address netip.AddrPort, path string, update func(sdp string)) error

	mu        sync.Mutex
	interval  time.Duration
	sap       map[sapKey]*entry
	instances map[instanceKey]*instance
}

// New returns an empty table. changed is called after a source came, went or has
// another SDP. It is called by several goroutines, is not to take long, and may use
// the table.
func New(log *slog.Logger, changed func()) *Table {
	return &Table{
		log:       log,
		changed:   changed,
		wake:      make(chan struct{}, 1),
		follow:    rtsp.Follow,
		interval:  defaultInterval,
		sap:       map[sapKey]*entry{},
		instances: map[instanceKey]*instance{},
	}
}

// Run follows the instances found and lets go of sources no longer announced, until
// ctx ends.
func (t *Table) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var followers sync.WaitGroup
	defer followers.Wait()
	defer cancel()
	following := map[*instance]context.CancelFunc{}
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		t.attend(ctx, following, &followers)
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case now := <-ticker.C:
			t.expire(now)
		}
	}
}

// Sources returns a copy of the sources found by "sap", by "mdns" or by "all" means,
// in any letter case, ordered by name. Of an unknown kind there are none.
func (t *Table) Sources(kind string) []Source {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	list := []Source{}
	for e := range t.entries() {
		if strings.EqualFold(kind, "all") || strings.EqualFold(kind, e.Source.Source) {
			s := e.Source
			s.LastSeen = int64(max(0, now.Sub(e.seen)) / time.Second)
			s.AnnouncePeriod = int64(e.period / time.Second)
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Source) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return list
}

// entries yields all sources. Called with t.mu held.
func (t *Table) entries() func(yield func(*entry) bool) {
	return func(yield func(*entry) bool) {
		for _, e := range t.sap {
			if !yield(e) {
				return
			}
		}
		for _, i := range t.instances {
			if i.entry != nil && !yield(i.entry) {
				return
			}
		}
	}
}

// unique returns an id that no source has: this one, or with a number behind. Called
// with t.mu held.
func (t *Table) unique(id string) string {
	taken := func(id string) bool {
		for e := range t.entries() {
			if e.ID == id {
				return true
			}
		}
		return false
	}
	free := id
	for n := 2; taken(free); n++ {
		free = fmt.Sprintf("%s-%d", id, n)
	}
	return free
}
