package rest

import _ "embed"

// openAPI describes the whole interface in OpenAPI 3.0.
//
//go:embed openapi.json
var openAPI []byte

func description() ([]byte, error) { return openAPI, nil }
