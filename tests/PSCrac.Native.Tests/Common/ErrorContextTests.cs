using System.Formats.Tar;
using PSCrac.Archives;
using PSCrac.Checkpointing;
using PSCrac.CoreDumps;
using PSCrac.Criu;
using PSCrac.Images.Operations;
using PSCrac.Moving;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Starting;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Common;

/// <summary>
/// What an operation adds to every failure that leaves it: its name, the process and the image that it was about. What
/// <see cref="Subject"/> does is held to the same in all tests that use it.
/// </summary>
public class ErrorContextTests
{
    private static readonly ReadyCondition[] s_never = [new ReadyTest(static () => false, "never")];
    private static readonly TimeSpan s_shortly = TimeSpan.FromMilliseconds(200);

    // A program that runs, and an image of it at its ImagePath; what fails; the process and the image it is about.
    private static readonly (string Name, CracOperation Operation, Action<Subject> Fail, Func<Subject, int?> Process, Func<Subject, string?> Image)[] s_cases =
    [
        ("a checkpoint of no process", CracOperation.Checkpoint, static subject => Take(New(subject) with { ProcessId = int.MaxValue }), static _ => int.MaxValue, NewPath),
        ("a checkpoint of the caller", CracOperation.Checkpoint, static subject => Take(New(subject) with { ProcessId = Environment.ProcessId }), static _ => Environment.ProcessId, NewPath),
        ("a checkpoint where an image is", CracOperation.Checkpoint, static subject => Take(New(subject) with { ImagePath = subject.ImagePath }), Program, Path),
        ("a checkpoint with no criu", CracOperation.Checkpoint, static subject => Take(New(subject) with { CriuPath = "/nonexistent" }), Program, NewPath),
        ("a checkpoint with options that exclude each other", CracOperation.Checkpoint, static subject => Take(New(subject) with { Options = new() { TcpEstablished = true, TcpClose = true } }), Program, NewPath),
        ("a checkpoint with an option that is PSCrac's own", CracOperation.Checkpoint, static subject => Take(New(subject) with { Options = new() { CriuOption = Option("images-dir", "/x") } }), Program, NewPath),
        ("a checkpoint that criu refuses", CracOperation.Checkpoint, static subject => Take(New(subject) with { Options = new() { CriuOption = Option("network-lock", "bogus") } }), Program, NewPath),
        ("a checkpoint on top of no image", CracOperation.Checkpoint, static subject => Take(New(subject) with { Options = new() { ParentImage = "/nonexistent" } }), Program, static _ => "/nonexistent"),
        ("a checkpoint by no JVM", CracOperation.Checkpoint, static subject => Take(New(subject) with { Engine = CracEngineChoice.Jvm }), Program, NewPath),
        ("a checkpoint after the garbage of no JVM", CracOperation.Checkpoint, static subject => Take(New(subject) with { CollectGarbage = true }), Program, NewPath),

        ("a restore to a pid that is taken", CracOperation.Restore, static subject => Bring(Again(subject) with { PidTimeout = TimeSpan.Zero }), Program, Path),
        ("a restore of a damaged image", CracOperation.Restore, static subject => Bring(Again(subject, cut: "pages-1.img")), Program, Path),
        ("a restore with no criu", CracOperation.Restore, static subject => Bring(Again(subject) with { CriuPath = "/nonexistent" }), Program, Path),
        ("a restore with options that exclude each other", CracOperation.Restore, static subject => Bring(Again(subject) with { Options = new() { TcpEstablished = true, TcpClose = true } }), Program, Path),
        ("a restore that criu refuses", CracOperation.Restore, static subject => Bring(Again(subject, end: true) with { Options = new() { CriuOption = Option("lsm-profile", "nosuch:profile") } }), Program, Path),
        ("a restore with a file that is not there", CracOperation.Restore, static subject => Bring(Again(subject, end: true) with { Files = new() { StandardInputPath = "/nonexistent" } }), Program, Path),
        ("a restore by java of what is no JVM's", CracOperation.Restore, static subject => Bring(Again(subject) with { Engine = CracEngineChoice.Jvm }), Program, Path),
        ("a restore with a main class of what is no JVM's", CracOperation.Restore, static subject => Bring(Again(subject) with { Jvm = new() { MainClass = "Main" } }), Program, Path),
        ("a restore that is not ready in time", CracOperation.Restore, static subject => Readiness.Restore(Again(subject, end: true), s_never, s_shortly), Program, Path),

        ("a start of no program", CracOperation.Start, static subject => StartOperation.Run(Sleep(subject) with { FilePath = "/nonexistent" }), Nobody, NewPath),
        ("a start in no folder", CracOperation.Start, static subject => StartOperation.Run(Sleep(subject) with { WorkingDirectory = "/nonexistent" }), Nobody, NewPath),
        ("a start where an image is", CracOperation.Start, static subject => StartOperation.Run(Sleep(subject) with { ImagePath = subject.ImagePath }), Nobody, Path),
        ("a start with options that exclude each other", CracOperation.Start, static subject => StartOperation.Run(Sleep(subject) with { OrRestore = true, Force = true, IgnoreChange = true }), Nobody, NewPath),
        ("a start that is not ready in time", CracOperation.Start, static subject => StartOperation.Run(Sleep(subject) with { ReadyTimeout = s_shortly }), Somebody, NewPath),
        ("a start of what ends early", CracOperation.Start, static subject => StartOperation.Run(Sleep(subject) with { Arguments = ["0"] }), Somebody, NewPath),
        ("a start of no JVM that collects its garbage", CracOperation.Start, static subject => StartOperation.Run(Sleep(subject) with { Ready = [], CollectGarbage = true }), Somebody, NewPath),
        ("a start whose checkpoint fails", CracOperation.Checkpoint, static subject => StartOperation.Run(Sleep(subject) with { Ready = [], Engine = CracEngineChoice.Jvm }), Somebody, NewPath),

        ("a measurement with no condition", CracOperation.Measure, static subject => MeasureOperation.Run(Sleep(subject) with { Ready = [], ImagePath = subject.ImagePath }, 1), Nobody, Path),
        ("a measurement of no program", CracOperation.Measure, static subject => MeasureOperation.Run(Sleep(subject) with { FilePath = "/nonexistent", ImagePath = subject.ImagePath }, 1), Nobody, Path),
        ("a measurement that is not ready in time", CracOperation.Measure, static subject => MeasureOperation.Run(Sleep(subject) with { ReadyTimeout = s_shortly, ImagePath = subject.ImagePath, IgnoreChange = true }, 1), Somebody, Path),
        ("a measurement of another program's image", CracOperation.Measure, static subject => MeasureOperation.Run(Sleep(subject) with { ImagePath = subject.ImagePath }, 1), Nobody, Path),

        ("a look for files of no type", CracOperation.Read, static subject => Content(subject).Read("nosuch").Count(), Nobody, Path),
        ("a look for a file that is not there", CracOperation.Read, static subject => Content(subject).Read("core-1.img").Count(), Nobody, Path),
        ("a look into a damaged file", CracOperation.Read, static subject => Content(subject, cut: "pstree.img").Read().Count(), Nobody, Path),
        ("a look at memory that is not there", CracOperation.Read, static subject => Open(subject).GetProcess(null).ReadMemory(0, 1), Program, Path),
        ("a look at damaged memory", CracOperation.Read, static subject => Damaged(subject, $"mm-{subject.ProcessId}.img").GetProcess(null).ReadMemory(0, 1), Program, Path),

        ("a search of no process", CracOperation.Search, static subject => new MemorySearch(Open(subject), MemoryPattern.FromString("x"), [1]).Run().Count(), static _ => 1, Path),
        ("a search of damaged memory", CracOperation.Search, static subject => new MemorySearch(Damaged(subject, "pages-1.img"), MemoryPattern.FromString("no such text")).Run().Count(), Nobody, Path),

        ("a comparison with a damaged image", CracOperation.Compare, static subject => ImageComparison.Compare(Open(subject), Damaged(subject, $"mm-{subject.ProcessId}.img")).Count(), Nobody, Path),
        ("a comparison of damaged memory", CracOperation.Compare, static subject => ImageComparison.Compare(Open(subject), Damaged(subject, "pages-1.img")).Count(), Nobody, Path),

        ("a removal of what others build on", CracOperation.Remove, static subject => ImageRemoval.Remove(WithChild(subject), force: false), Nobody, Path),
        ("a signature of an archive", CracOperation.Protect, static subject => ImageSigning.Sign(Archive(subject), "/nonexistent"), Nobody, static subject => subject.Folder.At("image.tar")),
        ("a signature of a damaged image", CracOperation.Protect, static subject => ImageSigning.Sign(Damaged(subject, "pstree.img"), "/nonexistent"), Nobody, Path),
        ("an export of an archive", CracOperation.Export, static subject => ImageExport.Run(new() { Image = Archive(subject), DestinationPath = subject.Folder.At("new.tar") }), Nobody, static subject => subject.Folder.At("image.tar")),
        ("an export to a folder", CracOperation.Export, static subject => ImageExport.Run(new() { Image = Open(subject), DestinationPath = subject.Folder.FullPath }), Nobody, Path),
        ("an import of nothing", CracOperation.Import, static subject => ImageImport.Run(new() { SourcePath = "/nonexistent", ImagePath = subject.Folder.At("new") }), Nobody, static _ => "/nonexistent"),
        ("an import of text", CracOperation.Import, static subject => ImageImport.Run(new() { SourcePath = Text(subject), ImagePath = subject.Folder.At("new") }), Nobody, static subject => subject.Folder.At("text")),
        ("a move of no process", CracOperation.Move, static subject => MoveAway(int.MaxValue), static _ => int.MaxValue, static _ => null),
        ("a move to a host that cannot be reached", CracOperation.Move, static subject => MoveAway(subject.ProcessId), Program, static _ => null),
        ("a core of damaged memory", CracOperation.CoreDump, static subject => CoreDumpExport.Run(new() { Process = Damaged(subject, "pages-1.img").GetProcess(null), DestinationPath = subject.Folder.At("new.core") }), Program, Path),
        ("a core where a file is", CracOperation.CoreDump, static subject => CoreDumpExport.Run(new() { Process = Open(subject).GetProcess(null), DestinationPath = Text(subject) }), Program, Path),
        ("a removal from an archive", CracOperation.Remove, static subject => ImageRemoval.Remove(Archive(subject), force: false), Nobody, static subject => subject.Folder.At("image.tar")),
    ];

    public static TheoryData<string> Names => [.. s_cases.Select(static each => each.Name)];

    [CriuTheory]
    [MemberData(nameof(Names))]
    public void A_failure_tells_what_it_was_about(string name)
    {
        (_, CracOperation operation, Action<Subject> fail, Func<Subject, int?> process, Func<Subject, string?> image) = s_cases.Single(each => each.Name == name);
        using Subject subject = Subject.Counting();
        subject.Checkpoint(new() { LeaveRunning = true });

        CracException failure = Assert.Throws<CracException>(() => fail(subject));

        subject.Program.Remember();
        Assert.Equal(operation, failure.Operation);
        Assert.Equal(image(subject), failure.ImagePath);
        if (process == Somebody)
        {
            Assert.NotNull(failure.ProcessId);
        }
        else
        {
            Assert.Equal(process(subject), failure.ProcessId);
        }
    }

    [CriuFact]
    public void A_feature_cache_that_cannot_be_made_tells_that_criu_was_asked()
    {
        try
        {
            // criu keeps it by itself where /run is a tmpfs.
            Assert.False(CriuFeatureCache.Create("/nonexistent"));
        }
        catch (CracException e)
        {
            Assert.Equal((CracOperation.Check, CracReason.CriuNotFound), (e.Operation, e.Reason));
        }
    }

    [Fact]
    public void Every_operation_is_walked_through_several_failures()
    {
        // Making criu's feature cache is the one failure of a check that is no finding.
        Assert.All(
            Enum.GetValues<CracOperation>().Except([CracOperation.Check]),
            static operation => Assert.True(s_cases.Count(each => each.Operation == operation) > 1, $"{operation}"));
    }

    [Fact]
    public void What_is_nearer_to_a_failure_is_kept()
    {
        var failure = new CracException(CracReason.PidInUse, "taken") { ProcessId = 7 };
        failure.AddContext(CracOperation.Restore, 8, "/image");
        failure.AddContext(CracOperation.Start, 9, "/other");
        Assert.Equal((CracOperation.Restore, 7, "/image"), (failure.Operation, failure.ProcessId, failure.ImagePath));
        Assert.Equal(failure.Operation, failure.With("Do something.").Operation);
    }

    private static int? Nobody(Subject subject) => null;

    // Who is started, and gone by then.
    private static int? Somebody(Subject subject) => throw new InvalidOperationException();

    private static int? Program(Subject subject) => subject.ProcessId;

    private static string Path(Subject subject) => subject.ImagePath;

    private static string NewPath(Subject subject) => subject.Folder.At("new");

    private static Dictionary<string, object?> Option(string name, string value) => new() { [name] = value };

    private static void Take(CheckpointRequest request) => Checkpoint.Run(request);

    // Nobody listens on the first port.
    private static void MoveAway(int processId) =>
        Move.Prepare(new MoveRequest { ProcessId = processId, Host = new MoveHost { HostName = "127.0.0.1", Port = 1 } }, null, default).Dispose();

    private static void Bring(RestoreRequest request) => Restore.Run(request).Dispose();

    private static CheckpointRequest New(Subject subject) => new() { ProcessId = subject.ProcessId, ImagePath = NewPath(subject), NoSync = true };

    private static RestoreRequest Again(Subject subject, bool end = false, string? cut = null)
    {
        if (end)
        {
            subject.End();
        }

        return new RestoreRequest { Image = cut is null ? Open(subject) : Damaged(subject, cut) };
    }

    private static StartRequest Sleep(Subject subject) => new()
    {
        FilePath = "sleep",
        Arguments = ["1000"],
        Ready = s_never,
        ReadyTimeout = Wait.Limit,
        ImagePath = NewPath(subject),
    };

    private static CracImage Open(Subject subject) => CracImage.Open(subject.ImagePath);

    private static ImageContentReader Content(Subject subject, string? cut = null) => new(cut is null ? Open(subject) : Damaged(subject, cut));

    // The image, opened before a file of it is cut short.
    private static CracImage Damaged(Subject subject, string name)
    {
        CracImage image = Open(subject);
        using FileStream file = File.OpenWrite(System.IO.Path.Combine(subject.ImagePath, name));
        file.SetLength(file.Length - 1);
        return image;
    }

    private static CracImage WithChild(Subject subject)
    {
        Directory.CreateDirectory(subject.Folder.At("child"));
        Directory.CreateSymbolicLink(subject.Folder.At("child/parent"), "../image");
        return Open(subject);
    }

    private static string Text(Subject subject)
    {
        File.WriteAllText(subject.Folder.At("text"), "no archive");
        return subject.Folder.At("text");
    }

    private static CracImage Archive(Subject subject)
    {
        string archive = subject.Folder.At("image.tar");
        TarFile.CreateFromDirectory(subject.ImagePath, archive, includeBaseDirectory: false);
        return CracImage.Open(archive);
    }
}
