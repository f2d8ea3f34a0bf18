"""The codes of warnings that a submission may bring."""

INPUT_UNREACHABLE = "INPUT_UNREACHABLE"

MEANINGS = {
    INPUT_UNREACHABLE: "An http(s): input did not answer HEAD well within a few seconds when the job was submitted.",
}
