using Microsoft.CodeAnalysis;
using Xunit;

namespace PSCrac.Tests.Architecture;

/// <summary>
/// Below an image, a staging, a work or a log folder all is done through FolderHandle, whose descriptor no neighbour can exchange.
/// So nothing else in the engine calls what changes a file by its path, and the files that work on such folders call nothing of
/// System.IO that takes a path.
/// </summary>
public class FolderRuleTests
{
    // The class itself and what it is made of, and what reads /proc.
    private static readonly string[] s_free = ["Interop/", "Procfs/", "Images/Storage/FolderHandle.cs", "Images/Storage/PathWalk.cs"];

    // What works on images, staging, work and log folders.
    private static readonly string[] s_folders =
    [
        "Images/", "Staging/", "Checkpointing/", "Criu/CriuWorkDirectory.cs", "Criu/CriuLog.cs", "Criu/CriuSession.cs", "Criu/CriuWorkerNamespace.cs",
        "Criu/PageDaemon.cs", "Restoring/ImageOverlay.cs", "Restoring/RestorableImage.cs", "Restoring/RestoreAttempt.cs", "Restoring/RestorePreflight.cs",
        "Restoring/RestoreReadahead.cs", "Jvm/ImageSetAside.cs", "Jvm/JvmImage", "Jvm/JvmDump.cs", "Jvm/JvmCheckpoint.cs",
        "Jvm/JavaLaunch.cs", "Jvm/JvmAttachment", "Restoring/SocketPaths.cs", "Archives/", "Restoring/ArchiveRestore.cs", "Preflight/Subjects/ImageTrust.cs", "CoreDumps/",
    ];

    // What changes files elsewhere by a path, and why it may. One that is not needed any more fails too.
    private static readonly (string File, string Call, string Why)[] s_exceptions =
    [
        ("Common/OutputFile.cs", "FileStream", "the output of a program, which is only read"),
        ("Criu/CriuFeatureCache.cs", "FileStream", "/dev, where only root may write, which is asked first"),
        ("Criu/CriuFeatureCache.cs", "File.Delete", "/run and /dev, where only root may write"),
        ("Criu/CriuFeatureCache.cs", "LibC.MakeLink", "/run, from its descriptor"),
        ("Criu/CriuFeatureCache.cs", "LibC.Rename", "/run, from its descriptor"),
        ("Criu/CriuFeatureCache.cs", "LibC.Unlink", "/run, from its descriptor"),
        ("Images/Storage/ArchiveImageSource.cs", "FileStream", "an archive is a file, which is only read"),
        ("Images/Storage/ArchiveImageSource.cs", "File.OpenHandle", "an archive is a file, which is only read"),
        ("Images/Storage/ArchiveImageSource.cs", "File.GetLastWriteTimeUtc", "an archive is a file, which is only read"),
        ("Images/Storage/ArchiveImageSource.cs", "FileInfo", "an archive is a file, which is only read"),
        ("Images/Storage/EncryptedImageSource.cs", "File.OpenHandle", "an archive is a file, which is only read"),
        ("Images/Storage/EncryptedImageSource.cs", "File.GetLastWriteTimeUtc", "an archive is a file, which is only read"),
        ("Images/Storage/EncryptedImageSource.cs", "FileInfo", "an archive is a file, which is only read"),
        ("Archives/Signatures/SshKeygen.cs", "File.Exists", "where the program ssh-keygen is"),
        ("Archives/ArchiveFile.cs", "LibC.Open", "an archive or a file of keys, which is only read"),
        ("Images/Model/CracImage.cs", "File.Exists", "whether there is an archive"),
        ("Images/Operations/ImageRemoval.cs", "LibC.Unlink", "the folder itself, from the descriptor of the one above; links of criu's outside"),
        ("Images/Operations/ImageRoot.cs", "Directory.Exists", "the image root is above the images"),
        ("Images/Operations/ImageRoot.cs", "Directory.EnumerateDirectories", "the image root is above the images"),
        ("Checkpointing/CriuCheckpoint.cs", "FileInfo", "links in /proc"),
        ("CoreDumps/MappedFile.cs", "LibC.Open", "mapped programs and libraries, outside of the image, which are only read"),
        ("CoreDumps/CoreDumpTargets.cs", "Directory.Exists", "whether the caller names a folder for cores"),
        ("Preflight/Subjects/ImageTrust.cs", "Directory.Exists", "which of the folders above an image are not made yet"),
        ("Staging/HelperLinks.cs", "LibC.Rename", "links of criu's outside of the image, from the descriptor of their folder"),
        ("Staging/HelperLinks.cs", "LibC.Unlink", "links of criu's outside of the image, from the descriptor of their folder"),
        ("Restoring/FileEditPlan.cs", "FileStream", "a file of the caller's for a restored process's output"),
        ("Restoring/RestoreReadahead.cs", "LibC.Open", "mapped programs and libraries, outside of the image"),
        ("Restoring/RestoreAttempt.cs", "LibC.Open", "/dev/tty"),
        ("Staging/HostDescription.cs", "File.ReadAllText", "/proc and /etc/machine-id"),
        ("PidNamespaces/LastPid.cs", "LibC.Open", "ns_last_pid"),
        ("Processes/ThreadAttributes.cs", "File.WriteAllText", "attributes of a thread in /proc"),
        ("Processes/FrozenCgroup.cs", "File.WriteAllText", "the state of a cgroup"),
        ("Jvm/JvmAttachment.cs", "LibC.Open", "the JVM's root, from which a walk goes on"),
        ("Jvm/JvmImageDirectory.cs", "LibC.Open", "the JVM's root, from which a walk goes on"),
        ("Jvm/JavaLaunch.cs", "LibC.Open", "/dev/tty and /dev/null"),
        ("Jvm/JvmImage.cs", "File.Exists", "whether there is a java"),
        ("Jvm/JvmImage.cs", "Directory.Exists", "-JavaPath may be a folder"),
    ];

    private static readonly HashSet<string> s_changing = new(StringComparer.Ordinal)
    {
        "LibC.Rename", "LibC.Unlink", "LibC.Link", "LibC.MakeLink", "LibC.MakeDirectory", "LibC.ChangeMode", "LibC.OpenBeneath",
    };

    private static readonly string[] s_harmless = ["Exists", "Get", "Read", "Enumerate", "ResolveLinkTarget", "OpenRead", "OpenHandle"];

    [Fact]
    public void Only_FolderHandle_changes_what_is_below_such_a_folder()
    {
        var wrong = new SortedSet<string>(StringComparer.Ordinal);
        var used = new HashSet<(string, string)>();
        int count = 0;
        foreach ((string file, ISymbol symbol) in EngineSources.All.Calls())
        {
            if (s_free.Any(free => file.StartsWith(free, StringComparison.Ordinal)) || NameOfFileCall(symbol) is not { } call)
            {
                continue;
            }

            count++;
            bool isException = s_exceptions.Any(each => each.File == file && each.Call == call);
            if (isException)
            {
                used.Add((file, call));
            }
            else if (Changes(call) || s_folders.Any(folder => file.StartsWith(folder, StringComparison.Ordinal)))
            {
                wrong.Add($"{file} calls {call}: use FolderHandle");
            }
        }

        wrong.UnionWith(s_exceptions.Where(each => !used.Contains((each.File, each.Call))).Select(static each => $"{each.File} does not call {each.Call}: take it out of the list"));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(count > 20, "the calls are not found");
    }

    private static bool Changes(string call)
    {
        string[] parts = call.Split('.');
        return s_changing.Contains(call) || call == "FileStream"
            || (parts[0] is "File" or "Directory" && !s_harmless.Any(harmless => parts[1].StartsWith(harmless, StringComparison.Ordinal)))
            || (parts[0] is "FileInfo" or "DirectoryInfo" or "FileSystemInfo" && parts.Length > 1);
    }

    // What takes a path, or changes a file that was named by one. Null for everything else.
    private static string? NameOfFileCall(ISymbol symbol)
    {
        string type = symbol.ContainingType.Name;
        if (type == "LibC" && symbol is IMethodSymbol { Name: "Open" or "OpenAt" or "Rename" or "Unlink" or "Link" or "MakeLink" or "MakeDirectory" or "ChangeMode" or "OpenBeneath" })
        {
            return $"LibC.{symbol.Name}";
        }

        if (symbol is not IMethodSymbol method || symbol.ContainingNamespace?.ToDisplayString() is not ("System.IO" or "System.IO.Enumeration"))
        {
            return null;
        }

        bool takesPath = method.Parameters.Any(static parameter => parameter.Type.SpecialType == SpecialType.System_String);
        return type switch
        {
            "File" or "Directory" => takesPath ? $"{type}.{symbol.Name}" : null,
            "FileStream" or "StreamReader" or "StreamWriter" or "FileInfo" or "DirectoryInfo" when method.MethodKind == MethodKind.Constructor => takesPath ? type : null,
            "FileSystemEnumerable" when method.MethodKind == MethodKind.Constructor => type,
            "FileInfo" or "DirectoryInfo" or "FileSystemInfo" when symbol.Name is "Delete" or "MoveTo" or "CopyTo" or "Create" or "CreateAsSymbolicLink" or "Replace" => $"{type}.{symbol.Name}",
            _ => null,
        };
    }
}
