// Package journal keeps the appliance's log in RAM.
//
// There is one ring of entries for everybody: init itself, the services'
// standard output and standard error, and the kernel. It is bounded by entries
// and by bytes, and the oldest go first. Nothing is written to a card: cards
// wear out, and the system has to run with the card pulled.
//
// Writers never wait. A reader is a cursor into the ring (the number of the last
// entry it has seen) and takes what lies beyond it, so the step from what was
// there already to what comes live loses nothing and doubles nothing. A reader
// that is too slow finds that the ring has moved on: it is handed one entry which
// says how many lines are missing, and goes on with the oldest that is left. The
// serial console is such a reader too, which is why a slow line cannot hold up a
// service.
//
// Text is made for people: one line an entry, valid UTF-8, no control
// characters, without the time and level that a program has put into it and
// that the entry holds already.
package journal

import (
	"sort"
	"strings"
	"sync"
	"time"
	"unsafe"

	"aes67os/init/api"
)

// Bounds used where Options has none: some hours of an appliance at work.
const (
	DefaultMaxEntries = 10_000
	DefaultMaxBytes   = 2 << 20
)

// Options are the bounds and the clocks of a Journal. The zero value is usable.
type Options struct {
	// MaxEntries bounds the number of entries kept; 0 is DefaultMaxEntries.
	MaxEntries int
	// MaxBytes bounds the memory they take; 0 is DefaultMaxBytes. The newest
	// entry is kept whatever its size.
	MaxBytes int
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Uptime is the time since the kernel started; nil is CLOCK_MONOTONIC, the
	// clock of the kernel's own messages.
	Uptime func() time.Duration
}

// Journal is the ring. It is safe for concurrent use.
type Journal struct {
	maxEntries, maxBytes int

	now    func() time.Time
	uptime func() time.Duration

	mu sync.Mutex
	// records are those kept, oldest first, numbered without gaps.
	records []record
	bytes   int
	last    uint64
	// changed is closed when the next entry comes; nil while nobody waits.
	changed chan struct{}
}

// record is an entry with what only the console shows of it. The uptime is kept
// because the wall clock of a board without a battery jumps at the first answer
// of a time server.
type record struct {
	api.LogEntry
	uptime time.Duration
}

func (r *record) size() int { return int(unsafe.Sizeof(*r)) + len(r.Text) }

// New returns an empty journal.
func New(o Options) *Journal {
	j := &Journal{maxEntries: o.MaxEntries, maxBytes: o.MaxBytes, now: o.Now, uptime: o.Uptime}
	if j.maxEntries <= 0 {
		j.maxEntries = DefaultMaxEntries
	}
	if j.maxBytes <= 0 {
		j.maxBytes = DefaultMaxBytes
	}
	if j.now == nil {
		j.now = time.Now
	}
	if j.uptime == nil {
		j.uptime = sinceKernelStart
	}
	return j
}

// Append adds text as an entry of service, one entry a line; empty lines are
// dropped. A line over MaxLine bytes is cut.
func (j *Journal) Append(service string, severity api.Severity, text string) {
	j.appendAt(j.now(), j.uptime(), service, severity, text)
}

func (j *Journal) appendAt(at time.Time, uptime time.Duration, service string, severity api.Severity, text string) {
	for line := range strings.Lines(text) {
		if line = Clean(line); line == "" {
			continue
		}
		j.add(record{
			LogEntry: api.LogEntry{Time: at, Service: service, Severity: severity, Text: line},
			uptime:   uptime,
		})
	}
}

func (j *Journal) add(r record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	r.Seq = j.last
	j.records = append(j.records, r)
	j.bytes += r.size()

	drop := 0
	for drop < len(j.records)-1 && (len(j.records)-drop > j.maxEntries || j.bytes > j.maxBytes) {
		j.bytes -= j.records[drop].size()
		drop++
	}
	// The array behind the slice lives until append outgrows it; cleared
	// places let go of their text at once.
	clear(j.records[:drop])
	j.records = j.records[drop:]

	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// Entries returns what q selects of the entries kept, oldest first. It does not
// look at q.Follow.
func (j *Journal) Entries(q api.LogQuery) []api.LogEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	entries := []api.LogEntry{}
	for _, r := range j.records[j.after(j.start(q)):] {
		if q.Service == "" || q.Service == r.Service {
			entries = append(entries, r.LogEntry)
		}
	}
	return entries
}

// start returns the number of the entry before the first that q selects. It
// needs the lock.
func (j *Journal) start(q api.LogQuery) uint64 {
	since := q.Since
	if since > j.last {
		// The asker counts from before the last boot: all of this is new to it.
		since = 0
	}
	if q.Tail <= 0 {
		return since
	}
	wanted := q.Tail
	for i := len(j.records) - 1; i >= 0 && j.records[i].Seq > since; i-- {
		if q.Service != "" && q.Service != j.records[i].Service {
			continue
		}
		if wanted--; wanted == 0 {
			return j.records[i].Seq - 1
		}
	}
	return since
}

// after returns the index of the first record numbered above seq. It needs the
// lock.
func (j *Journal) after(seq uint64) int {
	return sort.Search(len(j.records), func(i int) bool { return j.records[i].Seq > seq })
}
