// Command peer is an HTTP server that does only what aes67d cannot do without either: it
// takes a request apart, brings a number of bytes to the disk if something is to be
// changed, and answers with that number of bytes if something is asked for. It shows what
// the machine can do at best.
//
//	peer FILE BYTES 3<listening socket
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("%d arguments; a file's name and a number of bytes are wanted", len(os.Args)-1)
	}
	size, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	content := make([]byte, size)
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	// As many as requests at one time: the kernel gathers what is to be written.
	files := make(chan *os.File, 16)
	for i := range cap(files) {
		f, err := os.Create(os.Args[1] + strconv.Itoa(i))
		if err != nil {
			return err
		}
		files <- f
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			f := <-files
			defer func() { files <- f }()
			_, err := io.Copy(io.Discard, r.Body)
			if err == nil {
				_, err = f.WriteAt(content, 0)
			}
			if err == nil {
				err = f.Sync()
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		case r.URL.Path == "/api/streams":
			w.Header().Set("Content-Length", strconv.Itoa(size))
			w.Write(content)
		default:
			w.Write(content[:min(size, 400)]) // a sink's status
		}
	}))
}
