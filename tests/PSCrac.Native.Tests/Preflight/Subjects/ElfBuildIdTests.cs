using System.Diagnostics;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight.Subjects;

public class ElfBuildIdTests
{
    [Fact]
    public void The_runtime_has_a_build_id_and_a_text_file_has_none()
    {
        string runtime = Process.GetCurrentProcess().Modules.Cast<ProcessModule>().First(module => module.FileName.EndsWith("libcoreclr.so", StringComparison.Ordinal)).FileName;

        Assert.Equal(20, ElfBuildId.TryRead(runtime)!.Length);
        Assert.Null(ElfBuildId.TryRead("/etc/passwd"));
        Assert.Null(ElfBuildId.TryRead("/nowhere"));
    }

    [ProgramTheory("python3")]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void The_class_of_a_program_is_read(byte elfClass, bool expected)
    {
        using var program = TestProgram.Start("python3", ["-c", $$"""
            import os, struct, subprocess, time
            if {{elfClass}} == 2:
                command = ["sleep", "600"]
            else:
                code = bytes.fromhex("b81d000000cd80ebf7")
                head = bytes([127]) + b"ELF" + bytes([1, 1, 1]) + bytes(9)
                head += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
                head += struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 93, 93, 5, 4096)
                open("program", "wb").write(head + code)
                os.chmod("program", 0o700)
                command = ["./program"]
            try:
                p = subprocess.Popen(command)
                time.sleep(0.05)
                print("ready" if p.poll() is None else "cannot", flush=True)
            except OSError:
                print("cannot", flush=True)
            time.sleep(600)
            """]);
        Wait.Until(() => File.Exists(program.OutputPath) && new FileInfo(program.OutputPath).Length > 0, program.ReadErrors);
        if (File.ReadAllText(program.OutputPath).StartsWith("cannot", StringComparison.Ordinal))
        {
            // A kernel without support for 32-bit programs cannot run one.
            return;
        }

        program.Remember();
        Assert.Equal(expected, ProcessTreeSnapshot.Read(program.ProcessId).Members[1].Is32Bit);
    }
}
