package journal

import (
	"context"
	"fmt"

	"aes67os/init/api"
)

// batch bounds how many entries a reader takes under the lock at a time.
const batch = 256

// Read calls each for every entry that q selects, oldest first; with q.Follow it goes
// on as Follow does. Its error is each's, or that of ctx.
func (j *Journal) Read(ctx context.Context, q api.LogQuery, each func(api.LogEntry) error) error {
	if q.Follow {
		return j.Follow(ctx, q, each)
	}
	for _, e := range j.Entries(q) {
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

// Follow calls each for every entry that q selects, oldest first, and then for
// new ones as they come, until each returns an error or ctx ends; that error it
// returns. It follows whatever q.Follow is.
//
// Writers do not wait for each. If the ring has dropped entries that the
// follower had yet to see, or entries after q.Since, it gets one warning from
// "init" in their place, numbered as the last of them.
func (j *Journal) Follow(ctx context.Context, q api.LogQuery, each func(api.LogEntry) error) error {
	return j.follow(ctx, q, func(r record) error { return each(r.LogEntry) })
}

func (j *Journal) follow(ctx context.Context, q api.LogQuery, each func(record) error) error {
	j.mu.Lock()
	seen := j.start(q)
	// Who starts at the beginning asks for what there is, and misses nothing.
	if seen == 0 && len(j.records) > 0 {
		seen = j.records[0].Seq - 1
	}
	j.mu.Unlock()
	for {
		records, last, changed := j.take(seen, q.Service)
		for _, r := range records {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := each(r); err != nil {
				return err
			}
		}
		if seen = last; changed == nil {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take returns some records of service after the entry numbered seen, and the
// number of the last it has looked at. When there are none beyond, changed is
// closed with the next entry; else it is nil.
func (j *Journal) take(seen uint64, service string) (records []record, last uint64, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if seen == j.last {
		if j.changed == nil {
			j.changed = make(chan struct{})
		}
		return nil, seen, j.changed
	}
	first := j.records[j.after(seen)]
	if missing := first.Seq - 1 - seen; missing > 0 {
		gap := record{uptime: first.uptime, LogEntry: api.LogEntry{
			Seq: first.Seq - 1, Time: first.Time, Service: "init", Severity: api.Warning,
			Text: fmt.Sprintf("%d lines of the log are missing here: they were dropped before they could be read", missing),
		}}
		records = append(records, gap)
	}
	for _, r := range j.records[j.after(seen):] {
		if len(records) >= batch {
			break
		}
		last = r.Seq
		if service == "" || service == r.Service {
			records = append(records, r)
		}
	}
	return records, last, nil
}
