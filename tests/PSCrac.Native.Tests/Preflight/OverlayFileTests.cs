using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Restoring;
using PSCrac.Tests.Criu;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>Unlinked, replaced and watched files of an overlay file system.</summary>
public sealed class OverlayFileTests : IDisposable
{
    private const string Rest = """

        print("ready", flush=True)
        time.sleep(600)
        """;

    private readonly TemporaryFolder _folder = new();

    public OverlayFileTests()
    {
        // One file system below all layers, as container engines have it.
        foreach (string name in (string[])["base", "merged"])
        {
            Directory.CreateDirectory(_folder.At(name));
        }

        Assert.Equal(0, CriuProgram.RunProgram("mount", "-t", "tmpfs", "tmpfs", _folder.At("base")).ExitCode);
        foreach (string name in (string[])["lower", "upper", "work"])
        {
            Directory.CreateDirectory(_folder.At($"base/{name}"));
        }

        File.WriteAllText(_folder.At("base/lower/file"), new string('x', 5000));
        File.WriteAllText(_folder.At("base/lower/one"), "content");
        Assert.Equal(0, CriuProgram.RunProgram("ln", _folder.At("base/lower/one"), _folder.At("base/lower/two")).ExitCode);
        string layers = $"lowerdir={_folder.At("base/lower")},upperdir={_folder.At("base/upper")},workdir={_folder.At("base/work")}";
        Assert.Equal(0, CriuProgram.RunProgram("mount", "-t", "overlay", "overlay", "-o", layers, _folder.At("merged")).ExitCode);
    }

    [CriuTheory("python3")]
    [InlineData("f = open('file'); os.unlink('file')")]
    [InlineData("f = open('file'); open('new', 'w').close(); os.rename('new', 'file')")]
    [InlineData("f = open('one'); os.unlink('one')")]
    [InlineData("f = open('file', 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); f.close(); os.unlink('file')")]
    public void A_file_of_a_lower_layer_is_refused_beforehand(string script)
    {
        using Subject subject = Start(script);

        CracFinding blocker = ProcessPreflight.Examine(subject.ProcessId).Findings[0];

        Assert.Equal((CracFindingSeverity.Blocker, CracReason.FileUnlinked), (blocker.Severity, blocker.Reason));
        Assert.Contains("overlay", blocker.What, StringComparison.Ordinal);
        Assert.Null(Assert.Throws<CracException>(() => subject.Checkpoint()).LogPath);
        subject.AssertUnharmed();
    }

    [CriuTheory("python3")]
    [InlineData("f = open('mine', 'w+'); f.write('x'); f.flush(); os.link('mine', 'other'); os.unlink('mine')")]
    [InlineData("f = open('two', 'a+'); f.write('x'); f.flush(); os.link('two', 'three'); os.unlink('two')")]
    public void A_file_of_the_upper_layer_gets_a_helper_link(string script)
    {
        using Subject subject = Start(script);

        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();

        Assert.False(Subject.HasEnded(subject.ProcessId));
    }

    [CriuFact("python3")]
    [Reaches("helper link on overlay")]
    public void What_criu_says_of_it_is_explained()
    {
        using Subject subject = Start("f = open('file'); os.unlink('file')");

        CracException failure = Assert.Throws<CracException>(() => subject.Checkpoint(new CheckpointOptions { LinkRemap = true }, chooseOptions: false));

        Assert.Equal(CracReason.FileUnlinked, failure.Reason);
        Assert.Contains("overlay", failure.Message, StringComparison.Ordinal);
        subject.AssertUnharmed();
    }

    [CriuFact("python3")]
    public void Folders_that_are_watched_are_found_by_their_paths()
    {
        string[] folders = ["", "outer", "outer/inner", "with blank", "with blank/inner"];
        foreach (string folder in folders)
        {
            Directory.CreateDirectory(_folder.At(Path.Combine("merged", folder)));
        }

        using Subject subject = Subject.Watching(_folder.At("merged"));

        CracFinding finding = ProcessPreflight.Examine(subject.ProcessId).Findings.Single(static each => each.CriuOption == "irmap-scan-path");

        // criu's configuration has no blanks: a folder above is told instead.
        Assert.Equal(
            string.Join('\n', _folder.At("merged/outer/inner"), _folder.At("merged/outer"), _folder.At("merged")),
            finding.CriuValue);
        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();
        foreach (string folder in folders)
        {
            string name = $"seen-in-{folder.Replace('/', '-')}";
            Directory.CreateDirectory(_folder.At(Path.Combine("merged", folder, name)));
            subject.Program.WaitForLine(name);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CriuProgram.RunProgram("umount", "-l", _folder.At("merged"));
        CriuProgram.RunProgram("umount", "-l", _folder.At("base"));
        _folder.Dispose();
    }

    private Subject Start(string script) => Subject.Of(["python3", "-c", $"import mmap, os, sys, time\nos.chdir(sys.argv[1])\n{script}{Rest}", _folder.At("merged")]);
}
