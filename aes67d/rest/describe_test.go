package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"aes67os/aes67d/config"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/go-cmp/cmp"
)

// client makes requests of a handler and holds each of them, and what it answers, against
// the description.
type client struct {
	handler http.Handler
	router  routers.Router
	// loose is for requests that are answered though the description has them stricter.
	loose bool
}

// described is the description; to take it apart once is slow enough.
var described = sync.OnceValues(func() (*openapi3.T, error) {
	openapi3filter.RegisterBodyDecoder("application/sdp", openapi3filter.FileBodyDecoder)
	return openapi3.NewLoader().LoadFromData(openAPI)
})

var describedRoutes = sync.OnceValues(func() (routers.Router, error) {
	d, err := described()
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(d)
})

func newClient(t testing.TB, h http.Handler) *client {
	t.Helper()
	router, err := describedRoutes()
	if err != nil {
		t.Fatal(err)
	}
	return &client{handler: h, router: router}
}

func load(t testing.TB) *openapi3.T {
	t.Helper()
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// do makes a request and returns the answer, which the description must allow.
func (c *client) do(t testing.TB, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, request(method, path, body))
	c.hold(t, request(method, path, body), w)
	return w
}

func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// hold holds a request and its answer against the description.
func (c *client) hold(t testing.TB, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range map[string]string{
		"Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
		"Access-Control-Allow-Origin":  "*",
		"Access-Control-Allow-Headers": "x-user-id",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s %s: %s is %q; want %q", r.Method, r.URL.Path, name, got, want)
		}
	}
	route, parameters, err := c.router.FindRoute(r)
	if err != nil {
		if api := strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/metrics"; api && w.Code < 400 {
			t.Errorf("%s %s is answered with %d, but not described: %v", r.Method, r.URL.Path, w.Code, err)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route, Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	err = openapi3filter.ValidateRequest(t.Context(), in)
	if err != nil && w.Code < 400 && !c.loose {
		t.Errorf("%s %s is answered with %d, but not as described: %v", r.Method, r.URL.Path, w.Code, err)
	}
	if err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options,
		Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())),
	}); err != nil {
		t.Errorf("the answer to %s %s is not as described: %v", r.Method, r.URL.Path, err)
	}
}

// TestDescription checks that the description is proper, and has every route and no other.
func TestDescription(t *testing.T) {
	description := load(t)
	if err := description.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var has, routed []string
	for path, item := range description.Paths.Map() {
		for method := range item.Operations() {
			has = append(has, method+" "+path)
		}
	}
	api, _ := newAPI(t)
	for _, r := range api.router().Routes() {
		if r.Method == http.MethodHead {
			continue // goes without saying where there is GET
		}
		path := strings.NewReplacer(":id", "{id}", ":kind", "{kind}").Replace(r.Path)
		routed = append(routed, r.Method+" "+path)
	}
	slices.Sort(has)
	slices.Sort(routed)
	if diff := cmp.Diff(routed, has); diff != "" {
		t.Errorf("described (-routed +described):\n%s", diff)
	}
}

// TestDescriptionOfConfig checks that the description has all members and no others.
func TestDescriptionOfConfig(t *testing.T) {
	b, err := json.Marshal(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	properties := load(t).Components.Schemas["Config"].Value.Properties
	for name := range members {
		if properties[name] == nil {
			t.Errorf("%s is not described", name)
		}
	}
	for name := range properties {
		if _, ok := members[name]; !ok {
			t.Errorf("%s is described, but there is no such member", name)
		}
	}
}

// TestHeadAndOptions: wherever GET is answered so is HEAD, without a body, and OPTIONS.
func TestHeadAndOptions(t *testing.T) {
	api, _ := newAPI(t)
	h := api.Handler()
	c := newClient(t, h)
	server := httptest.NewServer(h) // a recorder would show the body all the same
	defer server.Close()
	for _, r := range api.router().Routes() {
		path := strings.NewReplacer("sink/status/:id", "sink/status/5", "sink/figures/:id", "sink/figures/5", ":id", "3", ":kind", "all").Replace(r.Path)
		if strings.HasPrefix(path, "/api/") {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request("OPTIONS", path, ""))
			if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Access-Control-Allow-Headers") != "x-user-id" {
				t.Errorf("OPTIONS %s = %d %q %v", path, w.Code, w.Body, w.Header())
			}
		}
		if r.Method != http.MethodHead {
			continue
		}
		head, err := http.Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		head.Body.Close()
		get := c.do(t, "GET", path, "")
		if head.StatusCode != 200 || get.Code != 200 || head.Header.Get("Content-Type") != get.Header().Get("Content-Type") {
			t.Errorf("HEAD %s = %d %s; GET %d %s", path, head.StatusCode, head.Header, get.Code, get.Header())
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request("OPTIONS", "/elsewhere", ""))
	if w.Code != 404 {
		t.Errorf("OPTIONS outside of the API = %d; want 404", w.Code)
	}
}
