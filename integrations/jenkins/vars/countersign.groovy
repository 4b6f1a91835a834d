// A step of a shared library: `countersign 'run'`, `countersign 'gate check'`, `countersign command: 'record', args: ['sbom.json']`.
// Returns the outcome: pass or pending; anything else fails the build.
def call(String command) { call(command: command) }

def call(Map step) {
    def known = ['run': ['run', '--no-progress'], 'record': ['record'], 'gate check': ['gate', 'check']]
    def words = known[step.command]
    if (words == null) { error "countersign: the command is one of ${known.keySet().join(', ')}" }
    def line = (['countersign'] + words + (step.args ?: [])).collect { quoted(it.toString()) }.join(' ')
    def code = sh(script: line, returnStatus: true, label: "countersign ${step.command}")
    if (code == 0) { return 'pass' }
    if (code == 11 && step.pending == 'pass') {
        currentBuild.description = 'waits for signatures'
        return 'pending'
    }
    error "countersign ${step.command} ended with ${code}"
}

// A word of a shell command: nothing in it is code.
private String quoted(String word) { "'" + word.replace("'", "'\\''") + "'" }
