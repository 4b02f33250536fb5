// Package workflows lints the GitHub workflows with actionlint, which knows their syntax, expressions and contexts.
package workflows

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rhysd/actionlint"
)

func TestWorkflowsAreSound(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("expected two workflows, found %v: %v", files, err)
	}

	options := actionlint.LinterOptions{Oneline: true, WorkingDir: root}
	linter, err := actionlint.NewLinter(io.Discard, &options)
	if err != nil {
		t.Fatal(err)
	}
	project, err := actionlint.NewProject(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found, err := linter.Lint(file, content, project)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range found {
			t.Error(problem)
		}
	}
}
