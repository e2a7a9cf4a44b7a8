# The module's assemblies: native code for this machine where the build could compile it, plain IL for any other.

BeforeDiscovery {
    $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
    $why = if ([Runtime.InteropServices.RuntimeInformation]::OSArchitecture -ne 'X64') { 'only x64 gets native code' }
    elseif (-not (Test-Path "$root/src/PSCrac/bin/Release/net10.0/PSCrac.dll")) { 'only a Release build has native code' }
    elseif (-not (Test-Path "$root/.tools/nuget/microsoft.netcore.app.crossgen2.linux-x64")) { 'no package feed had the compiler' }
    $assemblies = 'PSCrac', 'PSCrac.Native', 'crac-start' | ForEach-Object { @{ Name = $_ } }
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
    $staged = "$root/out/PSCrac"

    # Whether an assembly carries code of a processor beside its IL, and of which.
    function Get-NativeCode([string] $Path) {
        $reader = [Reflection.PortableExecutable.PEReader]::new([IO.File]::OpenRead($Path))
        try {
            [pscustomobject]@{
                IsNative = $reader.PEHeaders.CorHeader.ManagedNativeHeaderDirectory.Size -gt 0
                # The machine, with Linux' mark in it.
                Machine  = [int] $reader.PEHeaders.CoffHeader.Machine -bxor 0x7B79
            }
        }
        finally {
            $reader.Dispose()
        }
    }
}

Describe 'native code' -ForEach @{ Why = $why } {
    It 'is in <Name>.dll as it is staged' -ForEach $assemblies {
        if ($Why) { Set-ItResult -Skipped -Because $Why; return }
        $code = Get-NativeCode "$staged/$Name.dll"
        $code.IsNative | Should -BeTrue
        $code.Machine | Should -Be ([int] [Reflection.PortableExecutable.Machine]::Amd64)
    }

    It 'keeps the lines of the source in a stack trace' {
        if ($Why) { Set-ItResult -Skipped -Because $Why; return }
        Import-Module "$staged/PSCrac.psd1"
        $trace = try { [PSCrac.CracImage]::Open('/nowhere') } catch { $_.Exception.InnerException.StackTrace }
        $trace | Should -Match 'CracImage\.cs:line \d+'
    }
}

Describe 'plain IL' {
    It 'is what the assemblies for any architecture are, and they import here' {
        $configuration = [Reflection.Assembly]::LoadFile("$staged/PSCrac.dll").GetCustomAttributes([Reflection.AssemblyConfigurationAttribute], $false)[0].Configuration
        $copy = Join-Path $TestDrive 'PSCrac'
        Copy-Item $staged $copy -Recurse
        foreach ($name in 'PSCrac', 'PSCrac.Native', 'crac-start') {
            Copy-Item "$root/src/PSCrac/bin/$configuration/net10.0/$name.dll" $copy
            (Get-NativeCode "$copy/$name.dll").IsNative | Should -BeFalse
        }
        $child = Invoke-ChildPwsh -Module "$copy/PSCrac.psd1" "(Get-Command -Module PSCrac -CommandType Cmdlet).Count; [PSCrac.CracImage].Assembly.Location; Test-CracImage /nowhere -Quiet -ErrorAction Ignore"
        $child.Error | Should -BeNullOrEmpty
        $lines = $child.Output -split "`n"
        $lines[0] | Should -Be (Import-PowerShellDataFile "$staged/PSCrac.psd1").CmdletsToExport.Count
        $lines[1] | Should -Be "$copy/PSCrac.Native.dll"
    }
}
