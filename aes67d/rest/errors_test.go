package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"aes67os/aes67d/config"
	"aes67os/aes67d/netif"
	"aes67os/aes67d/session"
	"aes67os/driver"

	"github.com/google/go-cmp/cmp"
)

// TestErrors has every error that a session can come back with, in the words clients may
// compare with.
func TestErrors(t *testing.T) {
	const put, status = "failed to add source 3 : ", "failed to get sink 5 status : "
	for _, test := range []struct {
		err    error
		status int
		text   string
	}{
		{session.ErrInvalidID, 400, "(daemon) invalid stream id"},
		{session.ErrNameInUse, 400, "(daemon) stream name is in use"},
		{session.ErrNotInUse, 400, "(daemon) stream not in use"},
		{session.ErrMAC, 400, "(daemon) cannot retrieve MAC address for IP"},
		{session.ErrURL, 400, "(daemon) invalid URL"},
		{session.ErrFetchSDP, 400, "(daemon) cannot retrieve SDP"},
		{session.ErrParseSDP, 400, "(daemon) cannot parse SDP"},
		{session.ErrInvalid, 400, "(daemon) invalid stream"},
		{session.ErrSave, 500, "(daemon) cannot save the streams"},
		{driver.ErrRefused, 400, "(driver) command failed"},
		{driver.ErrInvalid, 500, "(driver) invalid value specified"},
		{driver.ErrNoStream, 500, "(driver) no such stream"},
		{driver.ErrUnavailable, 500, "(driver) the audio driver is not available"},
		{driver.ErrProtocol, 500, "(daemon) failed to receive response from driver"},
		{context.DeadlineExceeded, 500, "(daemon) context deadline exceeded"},
		{fmt.Errorf("%w: line 7", session.ErrParseSDP), 400, "(daemon) cannot parse SDP: line 7"},
		{fmt.Errorf("sink 5: %w", session.ErrParseSDP), 400, "(daemon) cannot parse SDP: sink 5: cannot parse SDP"},
		{fmt.Errorf("add a stream: %w", driver.ErrRefused), 400, "(driver) command failed: add a stream: command failed"},
	} {
		api, s := newAPI(t)
		s.fails = test.err
		c := newClient(t, api.Handler())
		for _, r := range []struct{ method, path, body, tried string }{
			{"PUT", "/api/source/3", sourceBody, put},
			{"GET", "/api/sink/status/5", "", status},
		} {
			expect(t, c.do(t, r.method, r.path, r.body), test.status, r.tried+test.text)
		}
	}
}

// expect checks a refusal.
func expect(t *testing.T, w *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if w.Code != status || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("%d %s; want %d text/plain", w.Code, w.Header().Get("Content-Type"), status)
	}
	if diff := cmp.Diff(text, w.Body.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// TestRefusals has what is refused for what was asked.
func TestRefusals(t *testing.T) {
	large := `{"name": "` + strings.Repeat("x", bodyLimit) + `"}`
	for _, test := range []struct {
		name               string
		method, path, body string
		status             int
		text               string
	}{
		{"no source", "GET", "/api/source/sdp/4", "", 400, "get source 4 failed : (daemon) stream not in use: there is no source 4"},
		{"no sink", "GET", "/api/sink/status/4", "", 400, "failed to get sink 4 status : (daemon) stream not in use"},
		{"name in use", "PUT", "/api/source/0", strings.Replace(sourceBody, "ALSA 0", `Stage <left> & \"right\"`, 1), 400,
			"failed to add source 0 : (daemon) stream name is in use: source 3 has it"},
		{"an id without end", "GET", "/api/sink/status/99999999999999999999", "", 400, "failed to convert id"},
		{"a name for an id", "GET", "/api/source/sdp/first", "", 404, "/api/source/sdp/first does not exist here\n"},
		{"another kind", "GET", "/api/browse/sources/rtsp", "", 404, "/api/browse/sources/rtsp does not exist here\n"},
		{"unknown path", "GET", "/api/nothing", "", 404, "/api/nothing does not exist here\n"},
		{"no JSON", "PUT", "/api/source/0", "\n{", 400, "error parsing JSON at line 2: unexpected end of JSON input"},
		{"nothing", "PUT", "/api/sink/0", "", 400, "error parsing JSON at line 1: unexpected end of JSON input"},
		{"not an object", "PUT", "/api/sink/0", "[]", 400, "error parsing JSON: must be an object, not an array"},
		{"wrong type", "PUT", "/api/source/0", strings.Replace(sourceBody, "15", `"many"`, 1), 400,
			`error parsing JSON: ttl must be a whole number from 0 to 255, not "many"`},
		{"too large", "PUT", "/api/sink/0", large, 400, "cannot read the request's body: it is larger than 65536 bytes"},
		{"too large a configuration", "POST", "/api/config", large, 400, "cannot read the request's body: it is larger than 65536 bytes"},
		{"no configuration", "POST", "/api/config", "{,}", 400, "error parsing JSON at line 1: invalid character ',' looking for beginning of object key string"},
		{"a value that cannot be", "POST", "/api/config", `{"log_severity": 1, "sap_mcast_addr": "10.0.0.1"}`, 400,
			`failed to set config : (daemon) sap_mcast_addr cannot be "10.0.0.1": it must be an IPv4 multicast address`},
		{"half a PTP configuration", "POST", "/api/ptp/config", `{"domain": 1}`, 400, "error parsing JSON: dscp is missing"},
		{"no such domain", "POST", "/api/ptp/config", `{"domain": 128, "dscp": 46}`, 400,
			"failed to set ptp config : (daemon) ptp_domain cannot be 128: it must be from 0 to 127"},
		{"no byte", "POST", "/api/ptp/config", `{"domain": 256, "dscp": 46}`, 400,
			"error parsing JSON: domain must be a whole number from 0 to 255, not 256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			api, s := newAPI(t)
			before := api.Config.Get()
			expect(t, newClient(t, api.Handler()).do(t, test.method, test.path, test.body), test.status, test.text)
			if len(s.source) != 1 || len(s.sink) != 1 || api.Config.Get() != before {
				t.Error("something has changed all the same")
			}
		})
	}
}

// TestIDs puts and removes streams by ids that are none, or of which there is nothing.
func TestIDs(t *testing.T) {
	api, _ := newAPI(t)
	c := newClient(t, api.Handler())
	for kind, body := range map[string]string{"source": sourceBody, "sink": sinkBody} {
		for _, id := range []string{"64", "256"} { // the known daemon takes the latter for 0
			reason := kind + " " + id + " : (daemon) invalid stream id: ids are 0 to 63"
			expect(t, c.do(t, "PUT", "/api/"+kind+"/"+id, body), 400, "failed to add "+reason)
			expect(t, c.do(t, "DELETE", "/api/"+kind+"/"+id, ""), 400, "failed to remove "+reason)
		}
		for _, method := range []string{"PUT", "DELETE"} {
			expect(t, c.do(t, method, "/api/"+kind+"/99999999999999999999", body), 400, "failed to convert id")
			for _, id := range []string{"", "-1", "first"} {
				path := "/api/" + kind + "/" + id
				expect(t, c.do(t, method, path, body), 404, path+" does not exist here\n")
			}
		}
		expect(t, c.do(t, "DELETE", "/api/"+kind+"/4", ""), 400, "failed to remove "+kind+" 4 : (daemon) stream not in use")
	}
}

// TestMissing leaves out one member after the other: each is required.
func TestMissing(t *testing.T) {
	api, _ := newAPI(t)
	c := newClient(t, api.Handler())
	for path, test := range map[string]struct {
		body    string
		members []string
	}{
		"/api/source/0": {sourceBody, []string{"enabled", "name", "io", "map", "max_samples_per_packet", "codec",
			"address", "ttl", "payload_type", "dscp", "refclk_ptp_traceable"}},
		"/api/sink/0": {sinkBody, []string{"name", "io", "source", "use_sdp", "sdp", "delay", "ignore_refclk_gmid", "map"}},
	} {
		for _, member := range test.members {
			expect(t, c.do(t, "PUT", path, without(t, test.body, member)), 400, "error parsing JSON: "+member+" is missing")
		}
	}
}

// TestMethods: what is there but not for that method is refused as such.
func TestMethods(t *testing.T) {
	api, _ := newAPI(t)
	w := newClient(t, api.Handler()).do(t, "DELETE", "/api/config", "")
	if w.Code != 405 || w.Body.String() != "DELETE is not possible on /api/config\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestNoInterfaces(t *testing.T) {
	api, _ := newAPI(t)
	api.Interfaces = func() ([]netif.Interface, error) { return nil, errors.New("no netlink") }
	expect(t, newClient(t, api.Handler()).do(t, "GET", "/api/config", ""), 500, "no netlink")
}

// unsaved is a configuration whose disk is full.
type unsaved struct{ Configuration }

func (u unsaved) Update(func(*config.Config) error) (before, after config.Config, err error) {
	return u.Get(), u.Get(), errors.New("save the configuration: no space left on device")
}

func TestUnsavedConfig(t *testing.T) {
	api, _ := newAPI(t)
	api.Config = unsaved{api.Config}
	c := newClient(t, api.Handler())
	const text = "failed to save config: save the configuration: no space left on device"
	expect(t, c.do(t, "POST", "/api/config", `{"log_severity": 1}`), 500, text)
	expect(t, c.do(t, "POST", "/api/ptp/config", `{"domain": 1, "dscp": 46}`), 500, text)
}

// TestApply: a configuration that the driver refuses is taken back.
func TestApply(t *testing.T) {
	api, _ := newAPI(t)
	var applied []config.Config
	var fails error
	api.Apply = func(context.Context) error {
		applied = append(applied, api.Config.Get())
		return fails
	}
	c := newClient(t, api.Handler())
	if w := c.do(t, "POST", "/api/ptp/config", `{"domain": 1, "dscp": 48}`); w.Code != 200 || len(applied) != 1 || applied[0].PTPDomain != 1 {
		t.Fatalf("%d %s, applied %+v", w.Code, w.Body, applied)
	}
	if c.do(t, "POST", "/api/ptp/config", `{"domain": 1, "dscp": 48}`); len(applied) != 1 {
		t.Error("applied although nothing has changed")
	}
	before := api.Config.Get()
	fails = fmt.Errorf("set the sample rate: %w", driver.ErrRefused)
	expect(t, c.do(t, "POST", "/api/config", `{"sample_rate": 96000}`), 400,
		"failed to set config : (driver) command failed: set the sample rate: command failed")
	expect(t, c.do(t, "POST", "/api/ptp/config", `{"domain": 2, "dscp": 48}`), 400,
		"failed to set ptp config : (driver) command failed: set the sample rate: command failed")
	if diff := cmp.Diff(before, api.Config.Get()); diff != "" {
		t.Errorf("configuration (-before +after):\n%s", diff)
	}

	// Somebody else is quicker than the driver: what they have changed stays.
	api.Apply = func(context.Context) error {
		if _, _, err := api.Config.Update(func(c *config.Config) error {
			c.LogSeverity = 5
			return nil
		}); err != nil {
			t.Error(err)
		}
		return driver.ErrRefused
	}
	c = newClient(t, api.Handler())
	expect(t, c.do(t, "POST", "/api/config", `{"sample_rate": 96000}`), 400, "failed to set config : (driver) command failed")
	if got := api.Config.Get(); got.LogSeverity != 5 {
		t.Error("the change of somebody else is gone")
	}
}

// TestOtherPages: a page of another web server may not name files of this host.
func TestOtherPages(t *testing.T) {
	for _, test := range []struct {
		origin, body string
		allowed      bool
	}{
		{"", `{"ptp_status_script": "/tmp/x"}`, true}, // no browser
		{"http://example.com", `{"ptp_status_script": "/tmp/x"}`, true},
		{"http://elsewhere:3000", `{"ptp_status_script": "/tmp/x"}`, false},
		{"http://elsewhere:3000", `{"http_base_dir": "/etc"}`, false},
		{"http://elsewhere:3000", `{"status_file": "/etc/passwd"}`, false},
		{"http://example.com:81", `{"ptp_status_script": "/tmp/x"}`, false},
		{"null", `{"ptp_status_script": "/tmp/x"}`, false},
		{"null", `{"audio_ports": "record /tmp/x < 1"}`, false},
		{"http://elsewhere:3000", `{"ptp_domain": 3, "ptp_status_script": ""}`, true},
	} {
		api, _ := newAPI(t)
		r := httptest.NewRequest("POST", "http://example.com/api/config", strings.NewReader(test.body))
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		w := httptest.NewRecorder()
		before := api.Config.Get()
		api.Handler().ServeHTTP(w, r)
		if changed := api.Config.Get() != before; changed != test.allowed || (w.Code == 200) != test.allowed {
			t.Errorf("%s from %q: %d %s, changed %v; want it allowed: %v", test.body, test.origin, w.Code, w.Body, changed, test.allowed)
		}
	}
}
