// Package apiserver serves the API that package api describes.
package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"

	"aes67os/init/api"
	"aes67os/init/power"
)

// Appliance is what the API tells of and acts on.
type Appliance interface {
	Status() api.Status
	Services() []api.Service
	Tuning() []api.Setting
	Network() []api.Interface
	// Logs calls each as api.Client.Logs does, and returns when ctx ends.
	Logs(ctx context.Context, q api.LogQuery, each func(api.LogEntry) error) error
	// GoDown begins to go down; it does not wait.
	GoDown(power.Action)
}

// Listen opens the socket for members of the group gid.
func Listen(path string, gid int) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chown(path, 0, gid), os.Chmod(path, 0o660)); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Serve answers on l until ctx ends.
func Serve(ctx context.Context, l net.Listener, a Appliance, log *slog.Logger) error {
	s := &http.Server{
		Handler:     Handler(a),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.Serve(l); ctx.Err() == nil {
		return err
	}
	return ctx.Err()
}

// Handler routes the requests.
func Handler(a Appliance) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", answer(a.Status))
	mux.HandleFunc("GET /services", answer(a.Services))
	mux.HandleFunc("GET /tuning", answer(a.Tuning))
	mux.HandleFunc("GET /network", answer(a.Network))
	mux.HandleFunc("GET /logs", func(w http.ResponseWriter, r *http.Request) { logs(a, w, r) })
	goDown := func(action power.Action) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			a.GoDown(action)
		}
	}
	mux.HandleFunc("POST /reboot", goDown(power.Reboot))
	mux.HandleFunc("POST /power-off", goDown(power.Off))
	return mux
}

func answer[T any](get func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// Only a client that has gone can make this fail.
		_ = json.NewEncoder(w).Encode(get())
	}
}

func logs(a Appliance, w http.ResponseWriter, r *http.Request) {
	q, err := logQuery(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	_ = flush.Flush() // a follower wants to know at once that it is heard
	out := json.NewEncoder(w)
	_ = a.Logs(r.Context(), q, func(e api.LogEntry) error {
		if err := out.Encode(e); err != nil {
			return err
		}
		return flush.Flush()
	})
}

func logQuery(r *http.Request) (api.LogQuery, error) {
	v := r.URL.Query()
	q := api.LogQuery{Service: v.Get("service"), Follow: v.Get("follow") == "1"}
	var err error
	if s := v.Get("since"); s != "" {
		if q.Since, err = strconv.ParseUint(s, 10, 64); err != nil {
			return q, errors.New("since: expected the number of a log entry")
		}
	}
	if s := v.Get("tail"); s != "" {
		if q.Tail, err = strconv.Atoi(s); err != nil || q.Tail < 0 {
			return q, errors.New("tail: expected a number of log entries")
		}
	}
	return q, nil
}
