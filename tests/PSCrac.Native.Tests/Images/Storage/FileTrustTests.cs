using PSCrac.Images.Storage;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Storage;

/// <summary>Who else may change a file that root is about to use.</summary>
public sealed class FileTrustTests : IDisposable
{
    private const UnixFileMode All = (UnixFileMode)0x1FF; // 0777
    private readonly TemporaryFolder _folder = new();

    public FileTrustTests()
    {
        Directory.CreateDirectory(_folder.At("above/own"));
        File.WriteAllText(_folder.At("above/own/file"), "");
    }

    public void Dispose() => _folder.Dispose();

    [RootFact]
    public void A_file_that_only_root_may_change_is_trusted_below_a_sticky_folder()
    {
        // The test's folder is below /tmp.
        Assert.Null(FileTrust.Find(_folder.At("above/own/file")));
        Assert.Null(FileTrust.Find(_folder.At("above/own/none")));
        Assert.Null(FileTrust.Find("/bin/sh"));
        Assert.Null(FileTrust.Find("/"));
    }

    [RootFact]
    public void The_first_who_may_change_it_is_named_with_the_command_that_helps()
    {
        Ownership.Give(_folder.At("above"), Ownership.Stranger);

        ForeignAccess? access = FileTrust.Find(_folder.At("above/own/file"));

        Assert.Equal($"{_folder.At("above")} belongs to user {Ownership.Stranger}", access?.Why);
        Assert.Equal($"chown root {_folder.At("above")}", access?.Command);
    }

    [RootFact]
    public void A_file_is_refused_for_itself_and_for_each_folder_above_it()
    {
        foreach (string name in (string[])["above", "above/own", "above/own/file"])
        {
            UnixFileMode mode = File.GetUnixFileMode(_folder.At(name));
            File.SetUnixFileMode(_folder.At(name), mode | UnixFileMode.GroupWrite);
            Assert.Equal($"group 0 may write to {_folder.At(name)}", FileTrust.Find(_folder.At("above/own/file"))?.Why);
            File.SetUnixFileMode(_folder.At(name), mode);
            Ownership.Give(_folder.At(name), Ownership.Stranger);
            Assert.Equal($"{_folder.At(name)} belongs to user {Ownership.Stranger}", FileTrust.Find(_folder.At("above/own/file"))?.Why);
            Ownership.Give(_folder.At(name), 0);
        }

        Assert.Null(FileTrust.Find(_folder.At("above/own/file")));
    }

    [RootFact]
    public void A_link_is_its_owners_to_direct_and_what_it_leads_to_is_examined_too()
    {
        File.CreateSymbolicLink(_folder.At("link"), _folder.At("above/own/file"));
        Assert.Null(FileTrust.Find(_folder.At("link")));

        Ownership.Give(_folder.At("link"), Ownership.Stranger);
        Assert.Contains("symbolic link", FileTrust.Find(_folder.At("link"))?.Why);

        Ownership.Give(_folder.At("link"), 0);
        Ownership.Give(_folder.At("above/own/file"), Ownership.Stranger);
        Assert.StartsWith(_folder.At("above/own/file"), FileTrust.Find(_folder.At("link"))?.Why);
    }

    [RootFact]
    public void A_sticky_folder_protects_what_is_in_it_but_not_what_is_missing()
    {
        File.SetUnixFileMode(_folder.At("above"), All | UnixFileMode.StickyBit);

        Assert.Null(FileTrust.Find(_folder.At("above/own/file")));
        Assert.Equal($"everyone may write to {_folder.At("above")}", FileTrust.Find(_folder.At("above/none"))?.Why);
        Assert.Equal($"everyone may write to {_folder.At("above")}", FileTrust.Find(_folder.At("above/none/file"))?.Why);
        Assert.Equal($"everyone may write to {_folder.At("above")}", FileTrust.Find(_folder.At("above"))?.Why);
    }

    [RootFact]
    public void A_search_path_keeps_only_trusted_folders()
    {
        File.SetUnixFileMode(_folder.At("above"), All);

        Assert.Equal(["/usr/bin", _folder.FullPath], FileTrust.Select([".", "/usr/bin", _folder.At("above/own"), "bin", _folder.FullPath]));
    }

    [RootFact]
    public void The_user_who_called_sudo_is_trusted_and_nobody_else()
    {
        Ownership.Give(_folder.At("above"), Ownership.Stranger);
        (string? Caller, int Code)[] sessions = [($"{Ownership.Stranger}", 0), ("1234", 1), (null, 1)];
        foreach ((string? caller, int code) in sessions)
        {
            var result = Helper.Run(new Dictionary<string, string?> { ["SUDO_UID"] = caller }, "trust", _folder.At("above/own/file"));
            Assert.True(code == result.ExitCode, $"{caller}: {result.Output}{result.Error}");
        }
    }

    [RootFact]
    public void Only_root_is_kept_from_files()
    {
        File.SetUnixFileMode(_folder.At("above"), All);
        Assert.NotNull(FileTrust.Find(_folder.At("above/own/file")));

        // The effective user decides, as for the kernel.
        PSCrac.Interop.LibC.RunAs(Ownership.Stranger, Ownership.Stranger, () =>
        {
            Assert.Null(FileTrust.Find(_folder.At("above/own/file")));
            return true;
        });
    }
}
