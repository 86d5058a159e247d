package rtsp

import (
	"net"
	"testing"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/google/go-cmp/cmp"
)

// These tests have gortsplib, a full RTSP implementation, on the other side.

func TestDescribedByOthers(t *testing.T) {
	s := NewServer(quiet())
	s.Set(ours())
	address := serve(t, s)
	u, err := base.ParseURL("rtsp://" + address + "/by-name/AES67%20daemon%20ALSA%20Source%201")
	if err != nil {
		t.Fatal(err)
	}
	c := &gortsplib.Client{}
	if err := c.Start(u.Scheme, u.Host); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Options(u); err != nil {
		t.Errorf("OPTIONS: %v", err)
	}
	description, answer, err := c.Describe(u)
	if err != nil {
		t.Fatalf("DESCRIBE: %v", err)
	}
	if diff := cmp.Diff(sdp, string(answer.Body)); diff != "" {
		t.Errorf("SDP (-want +got):\n%s", diff)
	}
	if description.Title != "ALSA Source 1" || description.BaseURL.String() != u.String() {
		t.Errorf("understood as %q at %s", description.Title, description.BaseURL)
	}
}

// describer is a gortsplib server's handler.
type describer struct{}

func (describer) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if ctx.Path != "/by-name/AES67 daemon 1" {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK, Body: []byte(sdp)}, nil, nil
}

func TestDescribeOthers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &gortsplib.Server{
		Handler: describer{}, RTSPAddress: l.Addr().String(),
		Listen: func(string, string) (net.Listener, error) { return l, nil },
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := Describe(t.Context(), "rtsp://"+l.Addr().String()+"/by-name/AES67 daemon 1")
	if err != nil || got != sdp {
		t.Errorf("Describe() = %q, %v", got, err)
	}
	if _, err := Describe(t.Context(), "rtsp://"+l.Addr().String()+"/by-name/other"); err == nil {
		t.Error("a source that is not there can be described")
	}
}
