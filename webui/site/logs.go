package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"aes67os/init/api"

	"github.com/gin-gonic/gin"
)

const (
	// writeWait bounds a single write to a browser that has gone away silently.
	writeWait = 10 * time.Second
	// heartbeat is how often a silent stream says that it lives.
	heartbeat = 20 * time.Second
	// retry is what browsers wait before they connect anew.
	retry = 2 * time.Second
)

// logs follows init's log as server-sent events: "line" with the HTML of one line,
// and "restart" when what the browser shows is of an earlier boot and has to go.
//
// Every line has an id, "BOOT:SEQ". A browser that was cut off gives its last one
// (Last-Event-ID), a page just loaded the one it came with (?after=), and the stream
// goes on from there.
func (s *site) logs(c *gin.Context) {
	after := c.GetHeader("Last-Event-ID")
	if after == "" {
		after = c.Query("after")
	}
	query := api.LogQuery{Follow: true}
	since, sameBoot := s.parseEventID(after)
	if sameBoot {
		query.Since = since
	} else {
		query.Tail = tail
	}

	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	out := eventWriter{c.Writer, http.NewResponseController(c.Writer)}
	if err := out.write(fmt.Sprintf("retry: %d\n\n", retry.Milliseconds())); err != nil {
		return
	}
	if after != "" && !sameBoot {
		if err := out.event("restart", "", ""); err != nil {
			return
		}
	}
	if err := s.follow(c.Request.Context(), query, out); err != nil && !errors.Is(err, context.Canceled) {
		// The browser connects again; init may answer by then. An HTTP error
		// would make it give up.
		s.Log.Warn("cannot follow the log", "error", err)
	}
}

// follow writes entries until the browser or init leaves, or the server stops.
func (s *site) follow(ctx context.Context, query api.LogQuery, out eventWriter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	entries := make(chan api.LogEntry)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Init.Logs(ctx, query, func(e api.LogEntry) error {
			select {
			case entries <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case e := <-entries:
			err = out.event("line", s.eventID(e.Seq), string(line(e)))
		case <-beat.C:
			err = out.write(":\n\n")
		case err := <-ended:
			return err
		case <-s.Stopping:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *site) eventID(seq uint64) string { return s.Boot + ":" + strconv.FormatUint(seq, 10) }

// parseEventID returns the number of the entry with this id, if it is of this boot.
func (s *site) parseEventID(id string) (seq uint64, sameBoot bool) {
	boot, number, _ := strings.Cut(id, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, err == nil && boot == s.Boot
}

// eventWriter writes server-sent events (HTML standard, §9.2.5), each at once.
type eventWriter struct {
	w       io.Writer
	control *http.ResponseController
}

// event writes one event. Line ends of any kind within data are kept as line feeds.
func (o eventWriter) event(kind, id, data string) error {
	var b strings.Builder
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("event: " + kind + "\n")
	data = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)
	for line := range strings.SplitSeq(data, "\n") {
		b.WriteString("data: " + line + "\n")
	}
	return o.write(b.String() + "\n")
}

func (o eventWriter) write(s string) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(writeWait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := io.WriteString(o.w, s); err != nil {
		return err
	}
	return o.control.Flush()
}
